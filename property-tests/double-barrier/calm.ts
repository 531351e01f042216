/** What must be so where nothing goes wrong any more. */
import type { Stay } from '../../src/barriers/index.js';
import { milliseconds } from '../../src/checkers/evidence.js';
import { broken } from '../../src/checkers/sentences.js';
import { isQuorateError } from '../../src/errors.js';
import { NotLive } from '../support/failure.js';
import type { World } from '../support/world.js';
import type { DoubleSeat, Scene } from './scene.js';
import type { DoubleWorkload } from './workload.js';

const patienceMs = 3_000;
/** The oldest of those who wait is told of it, before anybody looks by himself. */
const deathMs = 1_200;

type Outcome = 'pending' | 'well' | string;

/** As many as it takes enter, and leave, with nobody but them. */
export async function enterInCalm(world: World<DoubleWorkload>, scene: Scene): Promise<void> {
  const stays = await enterAll(world, scene);
  const outcomes = stays.map(({ seat, stay }) => outcomeOf(scene.leave(seat, stay)));
  if (await world.runUntil(() => outcomes.every(({ is }) => is === 'well'), patienceMs)) return;
  throw new NotLive(`all leave: ${outcomes.map(({ is }) => is)}`, patienceMs);
}

/** The lease of one of those inside ends, and the others, who wait to leave, are told what the policy says. */
export async function loseOneInCalm(world: World<DoubleWorkload>, scene: Scene): Promise<void> {
  const { workload } = world;
  const stays = await enterAll(world, scene);
  const [victim] = stays;
  const others = stays.filter(({ seat }) => seat.process !== victim?.seat.process);
  if (victim === undefined || others.length === 0) return;
  const ofVictim = stays.filter(({ seat }) => seat.process === victim.seat.process);
  const { index: target } = victim.seat.process;
  await scene.administrator.doAll([{ kind: 'revoke-lease', atMs: 0, target }]);
  const outcomes = others.map(({ seat, stay }) => outcomeOf(scene.leave(seat, stay)));
  const expected = workload.deadMembers === 'break' ? 'barrier-broken' : 'well';
  const areTold = () => outcomes.every(({ is }) => is === expected);
  if (!(await world.runUntil(areTold, deathMs))) {
    broken(
      'DOUBLE-2',
      `${milliseconds(deathMs)} after ${ofVictim.length} of ${stays.length} had died, with ${workload.deadMembers}, the others are ${outcomes.map(({ is }) => is)}`,
    );
  }
  scene.reached('in calm one died, and the others were told');
}

async function enterAll(world: World<DoubleWorkload>, scene: Scene) {
  const { size } = world.workload;
  const { coreSeats } = scene;
  const stays: { readonly seat: DoubleSeat; readonly stay: Stay }[] = [];
  let failure: unknown;
  for (let index = 0; index < size; index += 1) {
    const seat = coreSeats[index % coreSeats.length] as DoubleSeat;
    scene.enter(seat, 'queue').then(
      (stay) => stays.push({ seat, stay }),
      (error: unknown) => {
        failure = error;
      },
    );
  }
  await world.runUntil(() => stays.length === size || failure !== undefined, patienceMs);
  if (failure !== undefined) throw failure;
  if (stays.length < size) throw new NotLive(`${size} enter where nobody else is`, patienceMs);
  return stays;
}

function outcomeOf(promise: Promise<void>): { is: Outcome } {
  const outcome = { is: 'pending' };
  promise.then(
    () => {
      outcome.is = 'well';
    },
    (error: unknown) => {
      outcome.is = isQuorateError(error) ? error.code : String(error);
    },
  );
  return outcome;
}
