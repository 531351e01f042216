/** What must be so where nothing goes wrong any more. */
import { milliseconds } from '../../src/checkers/evidence.js';
import { broken } from '../../src/checkers/sentences.js';
import type { Hold } from '../../src/locks/index.js';
import { sleep } from '../../src/runtime/index.js';
import { NotLive } from '../support/failure.js';
import type { World } from '../support/world.js';
import { HandOvers } from './hand-overs.js';
import type { Scene } from './scene.js';
import type { MutexWorkload } from './workload.js';

const contentionMs = 20_000;
/** An administrator may have to ask several members. */
const deedMs = 60_000;
const holdMs = 5;
/**
 * By then a hold knows that its place was deleted: it is watched from 250 ms on, and the watch has to be opened and the line
 * to be read. A member that stays cut off ends a watch after 4 s, and it may be chosen again.
 */
const deletionMs = { all: 1_500, core: 60_000 };

/** LOCK-3: where nothing goes wrong, the next in line learns of its turn by the event. */
export async function contendInCalm(world: World<MutexWorkload>, scene: Scene): Promise<void> {
  const handOvers = new HandOvers(world);
  let left = 0;
  for (const { mutexes, client } of scene.seats.core) {
    for (const { mutex } of [...mutexes, ...mutexes, ...mutexes, ...mutexes]) {
      left += 1;
      void mutex.acquire().then(async (hold) => {
        const ended = handOvers.granted(hold);
        await sleep(client.runtime, holdMs);
        ended();
        await hold.release();
        left -= 1;
      });
    }
  }
  if (!(await world.runUntil(() => left === 0, contentionMs))) {
    throw new NotLive(`${left} callers want the lock where nothing goes wrong`, contentionMs);
  }
  handOvers.check();
}

/** LOCK-6: whose place is deleted by somebody is told. */
export async function deleteAHold(world: World<MutexWorkload>, scene: Scene): Promise<void> {
  const { random, simulation } = world;
  const [owner, other] = random.shuffled(scene.seats.core);
  if (owner === undefined) return;
  let hold: Hold | undefined;
  void owner.mutexes[0]?.mutex.acquire().then((got) => {
    hold = got;
  });
  await world.runUntil(() => hold !== undefined, contentionMs);
  if (hold === undefined) throw new NotLive('a caller wants the lock that nobody else wants', contentionMs);
  if (other !== undefined && random.chance(0.5)) {
    void other.mutexes[0]?.mutex.acquire().then((got) => got.release());
  }
  await world.run(random.integer(500));
  const { signal } = hold;
  const place = hold.guard().key;
  void scene.administrator.deletePlace(place);
  const isGone = () => simulation.engine.range({ key: place }).count === 0;
  if (!(await simulation.runUntil(isGone, deedMs))) {
    throw new NotLive('an administrator deletes a key', deedMs);
  }
  const deletedAtMs = simulation.nowMs;
  let isApplied: boolean | undefined = false;
  // Who writes hears of it so.
  if (random.chance(0.5)) {
    isApplied = undefined;
    void scene.write(hold).then((applied) => {
      isApplied = applied;
    });
  }
  const withinMs = deletionMs[world.plan.knobs.heal];
  const isTold = await world.runUntil(() => signal.aborted && isApplied !== undefined, withinMs);
  if (isApplied) broken('LOCK-5', `${place} was deleted, and then its holder wrote`);
  if (isTold) return;
  broken(
    'LOCK-6',
    `${place} was deleted by ${milliseconds(deletedAtMs)}, and its holder does not know after ${milliseconds(withinMs)}`,
  );
}
