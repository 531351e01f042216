/** What must be so where nothing goes wrong any more. */
import { milliseconds } from '../../src/checkers/evidence.js';
import { broken } from '../../src/checkers/sentences.js';
import { Mutex } from '../../src/locks/index.js';
import type { MultiHold } from '../../src/locks/multi-lock/multi-hold.js';
import { MultiLock } from '../../src/locks/multi-lock.js';
import { NotLive } from '../support/failure.js';
import type { World } from '../support/world.js';
import type { Scene } from './scene.js';
import type { MultiLockWorkload } from './workload.js';

const contentionMs = 60_000;
/** By then a request has been sent, settled and answered, where all is healed. */
const settledMs = 1_500;
/** By then a hold knows that its place was deleted: it is watched from 250 ms on. */
const deletionMs = { all: 1_500, core: 60_000 };

/** LOCK-7: a set that waits for one of its names is not passed by who came later and wants another of them. */
export async function queueInCalm(world: World<MultiLockWorkload>, scene: Scene): Promise<void> {
  if (world.plan.knobs.heal !== 'all') return;
  const [first, second = first] = world.random.shuffled(scene.seats.core);
  if (first === undefined || second === undefined) return;
  const order: string[] = [];
  let left = 3;
  const enter = (who: string) => {
    order.push(who);
    left -= 1;
  };
  const until = async (done: () => boolean, what: string) => {
    if (!(await world.runUntil(done, contentionMs))) throw new NotLive(what, contentionMs);
  };
  const held: { release?: () => Promise<void> } = {};
  void new Mutex(first.client, 'a').acquire().then((hold) => {
    enter('holder');
    held.release = () => hold.release();
  });
  await until(() => held.release !== undefined, 'a caller wants the lock that nobody else wants');
  void new MultiLock(second.client, ['b', 'a']).runExclusive(() => enter('set'));
  await world.run(settledMs);
  void new Mutex(first.client, 'b').runExclusive(() => enter('later'));
  await world.run(settledMs);
  void held.release?.();
  await until(() => left === 0, 'a set or a mutex is wanted where nothing goes wrong');
  if (order.join() !== 'holder,set,later')
    broken('LOCK-7', `they had their turns in this order: ${order.join()}`);
}

/** MULTI-2: a turn that is handed to a set which waits elsewhere too, past an older set, stops neither. */
export async function handToAPart(world: World<MultiLockWorkload>, scene: Scene): Promise<void> {
  const [first, second] = scene.seats.core;
  if (world.plan.knobs.heal !== 'all' || first === undefined || second === undefined) return;
  let left = 3;
  const enter = () => {
    left -= 1;
  };
  let handOn = () => {};
  void new Mutex(first.client, 'a').acquire().then((hold) => {
    enter();
    handOn = () => void hold.handOff(second.client.label).then(() => hold.release());
  });
  await world.runUntil(() => left === 2, contentionMs);
  for (const { client } of [first, second]) {
    void new MultiLock(client, ['a', 'b']).runExclusive(enter);
    await world.run(settledMs);
  }
  handOn();
  if (await world.runUntil(() => left === 0, contentionMs)) return;
  throw new NotLive('a set wants its locks, after a part of one was handed to it', contentionMs);
}

/** MULTI-1, LOCK-6: whose set loses one of its places is told, and the rest is given up. */
export async function deleteAPart(world: World<MultiLockWorkload>, scene: Scene): Promise<void> {
  const { random, simulation } = world;
  const [owner] = random.shuffled(scene.seats.core);
  if (owner === undefined) return;
  let hold: MultiHold | undefined;
  void new MultiLock(owner.client, ['a', 'b', 'c']).acquire().then((got) => {
    hold = got;
  });
  await world.runUntil(() => hold !== undefined, contentionMs);
  if (hold === undefined) throw new NotLive('a caller wants locks that nobody else wants', contentionMs);
  await world.run(random.integer(500));
  const { signal } = hold;
  const places = hold.guards().map(({ key }) => key);
  const stands = (key: string) => simulation.engine.range({ key }).count > 0;
  const [taken = ''] = random.shuffled(places);
  void scene.administrator.deletePlace(taken);
  await simulation.runUntil(() => !stands(taken), contentionMs);
  const withinMs = deletionMs[world.plan.knobs.heal];
  const isOver = () => signal.aborted && !places.some(stands);
  if (await world.runUntil(isOver, withinMs)) return;
  const what = signal.aborted ? 'the rest of it stands' : 'its holder does not know';
  broken(
    'MULTI-1',
    `${taken}, of a set that is held, was deleted, and ${what} after ${milliseconds(withinMs)}`,
  );
}
