/** What becomes of a crowd where the place of whoever has the turn is deleted, and nothing else goes wrong any more. */
import { sentinelOf } from '../../src/line/grant.js';
import type { Hold } from '../../src/locks/index.js';
import { sleep } from '../../src/runtime/index.js';
import { prefixRange } from '../../src/store/index.js';
import { NotLive } from '../support/failure.js';
import type { Seat } from '../support/seats.js';
import type { World } from '../support/world.js';
import { HandOvers } from './hand-overs.js';
import type { Scene } from './scene.js';
import type { SeenMutex } from './seen-mutex.js';
import type { MutexWorkload } from './workload.js';

const crowdMs = 40_000;
/** Each comes so often: those who come again find a crowd, in which the next is told of its turn by name. */
const rounds = 5;
/** So many lose their place. After each the line is watched as a whole again, until there is a crowd anew. */
const deedsInACrowd = 2;
const holdMs = 5;
/** By then it knows by its watch. */
const watchedMs = 1_500;

/** How one whose place was deleted comes to know of it. */
type Notice = 'its release is refused' | 'a write is refused' | 'its watch says so';
const notices: readonly Notice[] = ['its release is refused', 'a write is refused', 'its watch says so'];

/**
 * LOCK-3: where the place of one who was told of its turn by name is deleted, nobody is told of that by name, and all who wait
 * for a word are woken: the next in line has the lock as soon as if it had been released when its holder came to know.
 */
export async function takeTurnsAway(world: World<MutexWorkload>, scene: Scene): Promise<void> {
  const { random, simulation } = world;
  const { engine } = simulation;
  if (!(await world.runUntil(() => engine.range(prefixRange(scene.line)).count === 0, crowdMs))) {
    throw new NotLive('somebody stands in the line that nobody wants anything of', crowdMs);
  }
  const handOvers = new HandOvers(world);
  let deeds = 0;
  const lose = async (seat: Seat, hold: Hold) => {
    deeds += 1;
    const { key } = hold.guard();
    await scene.administrator.deletePlace(key);
    if (engine.range({ key }).count > 0) return;
    scene.reached('a place that was granted its turn by name was deleted, and the next waited to be told');
    const notice = random.pick(notices);
    if (notice === 'a write is refused') await scene.write(hold);
    const untilMs = simulation.nowMs + watchedMs;
    while (notice === 'its watch says so' && !hold.signal.aborted && simulation.nowMs < untilMs) {
      await sleep(seat.client.runtime, holdMs);
    }
  };
  let left = 0;
  const contend = async (seat: Seat, { mutex }: SeenMutex) => {
    left += 1;
    for (let round = 0; round < rounds; round += 1) {
      const hold = await mutex.acquire();
      const ended = handOvers.granted(hold);
      await sleep(seat.client.runtime, holdMs);
      if (deeds < deedsInACrowd && isToldByName(world, scene, seat, hold)) await lose(seat, hold);
      ended();
      await hold.release();
    }
    left -= 1;
  };
  for (const seat of scene.seats.core) for (const mutex of seat.mutexes) void contend(seat, mutex);
  if (!(await world.runUntil(() => left === 0, crowdMs))) {
    throw new NotLive(`${left} callers want the lock in a crowd, of which somebody lost its turn`, crowdMs);
  }
  handOvers.check();
}

/** Whether it was told of its turn by name, and the next in line, who came after that became the way, waits to be told so too. */
function isToldByName(
  { simulation }: World<MutexWorkload>,
  { line }: Scene,
  { session }: Seat,
  hold: Hold,
): boolean {
  const { engine } = simulation;
  const [guard] = engine.range({ key: sentinelOf(line.slice(0, -'l/'.length)) }).kvs;
  if (guard === undefined || guard.lease !== session()?.leaseId) return false;
  const { kvs } = engine.range({ ...prefixRange(line), sort: { target: 'create', order: 'ascend' } });
  const [first, next] = kvs;
  return first?.key === hold.guard().key && next !== undefined && next.createRevision > guard.createRevision;
}
