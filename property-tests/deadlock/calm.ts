/** What must be so where nothing goes wrong any more. */
import { milliseconds } from '../../src/checkers/evidence.js';
import { broken } from '../../src/checkers/sentences.js';
import { sleep } from '../../src/runtime/index.js';
import { NotLive } from '../support/failure.js';
import type { World } from '../support/world.js';
import type { Scene } from './scene.js';
import { type DeadlockWorkload, names } from './workload.js';

const circleMs = 30_000;
/** Two looks, a moment between them, a request to leave, by a slow clock and a slow network. */
const tellingMs = 1_500;
/** When it is looked again, at the latest, by a slow clock. */
const againMs = 6_250 * 1.05;

/** DEADLOCK-2: owners close a circle, and the one that closed it is told, alone and soon. */
export async function closeACircle(world: World<DeadlockWorkload>, scene: Scene): Promise<void> {
  const coreSeats = scene.seats.core;
  const [first] = coreSeats;
  if (first === undefined) return;
  const { deadlockAfterMs } = world.workload;
  const size = 2 + world.random.integer(2);
  const before = scene.told.length;
  // Each of them looks for the first time in vain.
  const firstFails = world.random.chance(0.5);
  scene.wire.looksToFail = firstFails ? size : 0;
  // The first to leave is the victim.
  scene.wire.repliesToLose = world.random.chance(0.3) ? 1 : 0;
  let holding = 0;
  let left = size;
  for (let index = 0; index < size; index += 1) {
    const seat = coreSeats[index % coreSeats.length] ?? first;
    const owner = `calm owner ${index}`;
    const [own, next] = [names[index], names[(index + 1) % size]];
    const work = async () => {
      if (own === undefined || next === undefined) return;
      const hold = await scene.acquire(seat, { name: own, owner });
      holding += 1;
      while (holding < size) await sleep(seat.client.runtime, 5);
      const other = await scene.acquire(seat, { name: next, owner });
      await other?.release();
      await hold?.release();
      left -= 1;
    };
    void work();
  }
  if (!(await world.runUntil(() => left === 0, circleMs))) {
    throw new NotLive(`${left} owners of a circle of ${size} where nothing goes wrong`, circleMs);
  }
  scene.wire.looksToFail = 0;
  if (firstFails) scene.reached('a look failed, and a later one found the circle');
  const told = scene.told.slice(before);
  if (told.length !== 1) broken('DEADLOCK-2', `${told.length} of a circle of ${size} were told`);
  for (const { owner, askedAtMs, toldAtMs } of told) {
    const lookedMs = deadlockAfterMs * 1.1 + (firstFails ? againMs : 0);
    if (toldAtMs - askedAtMs <= lookedMs + tellingMs) continue;
    broken('DEADLOCK-2', `${owner} was told only after ${milliseconds(toldAtMs - askedAtMs)}`);
  }
}

/**
 * DEADLOCK-1: the circle dissolves as a look finds it, or before that look is answered, since a member gives up: nobody is
 * told, and everybody gets on.
 */
export async function dissolveACircle(world: World<DeadlockWorkload>, scene: Scene): Promise<void> {
  const { seats, wire } = scene;
  const [first, second = first] = seats.core;
  if (first === undefined || second === undefined) return;
  const [x, y] = names;
  const before = scene.told.length;
  const impatience = new AbortController();
  const isLate = world.random.chance(0.5);
  let left = 2;
  const givesUp = async () => {
    const hold = await scene.acquire(first, { name: x, owner: 'gives up' });
    await sleep(first.client.runtime, 200);
    const options = { signal: impatience.signal };
    // It does not look, so that what looks is the other.
    await scene.acquire(first, { name: y, owner: 'gives up', options, afterMs: circleMs }).catch(() => {});
    // Time for the other to look again.
    await sleep(first.client.runtime, 1_000);
    await hold?.release();
    left -= 1;
  };
  const closes = async () => {
    const hold = await scene.acquire(second, { name: y, owner: 'closes it' });
    await sleep(second.client.runtime, 400);
    wire.beforeAnswer = async () => {
      impatience.abort(new Error('gave up'));
      if (isLate) await sleep(second.client.runtime, 300);
    };
    const other = await scene.acquire(second, { name: x, owner: 'closes it' });
    await other?.release();
    await hold?.release();
    left -= 1;
  };
  void givesUp();
  void closes();
  const isOver = await world.runUntil(() => left === 0, circleMs);
  wire.beforeAnswer = undefined;
  if (!isOver) throw new NotLive('owners of a circle that has dissolved', circleMs);
  if (scene.told.length > before) broken('DEADLOCK-1', 'somebody was told of a circle that had dissolved');
}
