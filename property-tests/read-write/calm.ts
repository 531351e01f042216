/** What must be so where nothing goes wrong any more. */
import { milliseconds } from '../../src/checkers/evidence.js';
import { History, type Life } from '../../src/checkers/index.js';
import { broken } from '../../src/checkers/sentences.js';
import { isQuorateError } from '../../src/errors.js';
import type { WriteHold } from '../../src/locks/read-write/holds.js';
import { sleep } from '../../src/runtime/index.js';
import { NotLive } from '../support/failure.js';
import type { World } from '../support/world.js';
import type { Scene } from './scene.js';
import type { SeenHold } from './seen-hold.js';
import type { ReadWriteWorkload } from './workload.js';

const contentionMs = 30_000;
/** An administrator may have to ask several members. */
const deedMs = 60_000;
const holdMs = 5;
/** Longer than the slow path of a watch, a few messages and a read; much shorter than 0.75 TTL, after which who waits looks again. */
const handOverMs = 700;
/** By then a hold knows that a key of it was deleted: it is watched from 250 ms on, and the line is read. */
const deletionMs = 1_500;

/** LOCK-3: who is next, to read or to write, learns of its turn by the event; and RW-3: an upgrade is refused at once. */
export async function contendInCalm(world: World<ReadWriteWorkload>, scene: Scene): Promise<void> {
  const { simulation } = world;
  const granted: SeenHold[] = [];
  let left = 0;
  const contend = async (seat: Scene['seats']['core'][number], number: number) => {
    const { lock, client } = seat;
    const reads = number % 3 !== 0;
    const hold = await (reads ? lock.acquireRead() : lock.acquireWrite());
    let had = { hold, seen: scene.granted(seat, hold) };
    granted.push(had.seen);
    await sleep(client.runtime, holdMs);
    if (number % 2 === 0) {
      const askedAtMs = simulation.nowMs;
      const turned = await scene.turn(seat, had, { turnPatienceMs: 0, givesUpBy: 'timeout' });
      if (turned !== undefined) {
        had = turned;
        if (reads) granted.push(had.seen);
        await sleep(client.runtime, holdMs);
      } else if (simulation.nowMs - askedAtMs > handOverMs) {
        broken('RW-3', `an upgrade was refused only after ${milliseconds(simulation.nowMs - askedAtMs)}`);
      }
    }
    had.seen.belief.end();
    await had.hold.release();
  };
  for (const seat of scene.seats.core) {
    for (let index = 0; index < 3; index += 1) {
      left += 1;
      void contend(seat, left).then(() => {
        left -= 1;
      });
    }
  }
  if (!(await world.runUntil(() => left === 0, contentionMs))) {
    throw new NotLive(`${left} callers want the lock where nothing goes wrong`, contentionMs);
  }
  const history = new History(simulation.history);
  for (const seen of granted) checkToldInTime(history, scene.line, seen);
}

function checkToldInTime(history: History, line: string, seen: SeenHold): void {
  const [read, write] = seen.livesIn(history);
  const own = write ?? read;
  if (own === undefined) return;
  const before: readonly Life[] = history
    .lives(write === undefined ? `${line}w/` : `${line}r/`)
    .filter((life) => life.from < own.from && life !== read);
  const freeAtMs = Math.max(own.fromMs ?? 0, ...before.map(({ toMs = 0 }) => toMs));
  const lateMs = seen.belief.fromMs - freeAtMs;
  if (lateMs <= handOverMs) return;
  broken('LOCK-3', `it was the turn of ${seen.mark} ${milliseconds(lateMs)} before its caller was told`);
}

/** LOCK-6: a writer one of whose keys is deleted is told, writes nothing more, and leaves nothing behind. */
export async function deleteAKey(world: World<ReadWriteWorkload>, scene: Scene): Promise<void> {
  const { random, simulation } = world;
  const [seat] = random.shuffled(scene.seats.core);
  if (seat === undefined) return;
  const had: { hold?: WriteHold } = {};
  const fromAbove = random.chance(0.3);
  void (fromAbove ? seat.lock.acquireRead().then((read) => read.upgrade()) : seat.lock.acquireWrite()).then(
    (hold) => {
      had.hold = hold;
    },
    (error: unknown) => {
      if (!isQuorateError(error)) throw error;
    },
  );
  await world.runUntil(() => had.hold !== undefined, contentionMs);
  const { hold } = had;
  if (hold === undefined) throw new NotLive('a caller wants the lock that nobody else wants', contentionMs);
  const seen = scene.granted(seat, hold);
  await world.run(random.integer(500));
  const key = (random.chance(0.5) ? seen.readKey : seen.writeKey) ?? seen.readKey;
  void scene.administrator.deletePlace(key);
  const isGone = (one: string) => simulation.engine.range({ key: one }).count === 0;
  if (!(await simulation.runUntil(() => isGone(key), deedMs))) {
    throw new NotLive('an administrator deletes a key', deedMs);
  }
  let isApplied: boolean | undefined = false;
  // Who writes hears of it so.
  if (random.chance(0.5)) {
    isApplied = undefined;
    void scene.write({ hold, seen }).then((applied) => {
      isApplied = applied;
    });
  }
  const isToldOf = () => hold.signal.aborted && isApplied !== undefined;
  const isTold = await world.runUntil(isToldOf, deletionMs);
  if (isApplied) broken('LOCK-5', `${key} was deleted, and then its holder wrote`);
  if (!isTold) broken('LOCK-6', `${key} was deleted, and its holder does not know`);
  const isLeft = () => isGone(seen.readKey) && isGone(seen.writeKey ?? seen.readKey);
  if (await world.runUntil(isLeft, deletionMs)) return;
  broken('LOCK-4', `${key} was deleted, and the other key of its place stays`);
}
