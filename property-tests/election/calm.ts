/** What must be so where nothing goes wrong any more. */
import { milliseconds } from '../../src/checkers/evidence.js';
import { broken } from '../../src/checkers/sentences.js';
import type { Leadership } from '../../src/election/index.js';
import { NotLive } from '../support/failure.js';
import type { World } from '../support/world.js';
import type { Scene, Seat } from './scene.js';
import type { SeenObserver } from './seen-observer.js';
import type { ElectionWorkload } from './workload.js';

const patienceMs = 20_000;
/** An administrator may have to ask several members. */
const deedMs = 60_000;
/**
 * By then everybody knows. A watch that is silent is given up after 20 s; a member that stays cut off ends a watch after 4 s,
 * and it may be chosen again and again.
 */
const tellingMs = { all: 2_000, core: 90_000 };
/** By then a leader knows that its place was deleted: its watch stands, or opens and the line is read. */
const deletionMs = { all: 1_500, core: 60_000 };

/** ELECTION-3: whoever observes sees who leads last, and then that nobody does. */
export async function leadLast(world: World<ElectionWorkload>, scene: Scene): Promise<void> {
  const seat = world.random.pick(coreSeats(scene));
  const leadership = await win(world, seat);
  const tells = (observer: SeenObserver) =>
    observer.last?.status === 'leader' && observer.last.term === leadership.term;
  await expectAll(world, scene, tells, `the last leader, of term ${leadership.term}`);
  let hasResigned = false;
  void leadership.resign().then(() => {
    hasResigned = true;
  });
  await world.runUntil(() => hasResigned, patienceMs);
  if (!hasResigned) throw new NotLive('a leader resigns', patienceMs);
  await expectAll(world, scene, ({ last }) => last?.status === 'none', 'nobody');
}

/** LOCK-6 of leaders: whose place is deleted is told, is refused, and who observes learns that nobody leads. */
export async function depose(world: World<ElectionWorkload>, scene: Scene): Promise<void> {
  const { random, simulation, plan } = world;
  const leadership = await win(world, random.pick(coreSeats(scene)));
  await world.run(random.integer(300));
  const { signal, term } = leadership;
  const place = leadership.guard().key;
  void scene.administrator.deletePlace(place);
  const isGone = () => simulation.engine.range({ key: place }).count === 0;
  if (!(await simulation.runUntil(isGone, deedMs)))
    throw new NotLive('an administrator deletes a key', deedMs);
  const withinMs = deletionMs[plan.knobs.heal];
  if (random.chance(0.5)) void leadership.checkpoint(`${term}:deposed`).catch(() => {});
  if (!(await world.runUntil(() => signal.aborted, withinMs))) {
    broken('LOCK-6', `${place} led and was deleted, and does not know after ${milliseconds(withinMs)}`);
  }
  void leadership.resign();
  await expectAll(world, scene, ({ last }) => last?.status === 'none', 'nobody');
}

async function win(world: World<ElectionWorkload>, { election }: Seat): Promise<Leadership> {
  let won: Leadership | undefined;
  void election.campaign({ value: 'the last' }).then((leadership) => {
    won = leadership;
  });
  await world.runUntil(() => won !== undefined, patienceMs);
  if (won === undefined) throw new NotLive('a candidate stands where nobody else does', patienceMs);
  return won;
}

async function expectAll(
  world: World<ElectionWorkload>,
  { observers }: Scene,
  isTold: (observer: SeenObserver) => boolean,
  what: string,
): Promise<void> {
  const all = observers.filter((observer) => observer.isAlive && observer.process.isCore);
  const withinMs = tellingMs[world.plan.knobs.heal];
  if (await world.runUntil(() => all.every(isTold), withinMs)) return;
  const ignorant = all.find((observer) => !isTold(observer));
  broken(
    'ELECTION-3',
    `after ${milliseconds(withinMs)} an observer of ${ignorant?.process.name} is not told of ${what}, but of ${JSON.stringify(ignorant?.last)}`,
  );
}

export function coreSeats({ processes, seats }: Scene): readonly Seat[] {
  return processes.flatMap((process) => {
    const seat = seats.get(process);
    return process.isCore && seat !== undefined ? [seat] : [];
  });
}
