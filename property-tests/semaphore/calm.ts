/** What must be so where nothing goes wrong any more. */
import { milliseconds } from '../../src/checkers/evidence.js';
import { History } from '../../src/checkers/index.js';
import { broken } from '../../src/checkers/sentences.js';
import { sleep } from '../../src/runtime/index.js';
import { NotLive } from '../support/failure.js';
import type { World } from '../support/world.js';
import { admissionsOf } from './admissions.js';
import type { Scene } from './scene.js';
import type { SemaphoreWorkload } from './workload.js';

const contentionMs = 30_000;
const holdMs = 5;
/** Longer than the slow path of a watch, a few messages and a read; much shorter than 0.75 TTL, after which who waits looks again. */
const handOverMs = 700;

/** LOCK-3: the next in line learns of its turn by the event, be it that somebody leaves or that the limit is raised. */
export async function contendInCalm(world: World<SemaphoreWorkload>, scene: Scene): Promise<void> {
  const { simulation } = world;
  const [first] = scene.seats.core;
  if (first === undefined) return;
  const since = simulation.engine.revision;
  const granted: { readonly place: string; readonly revision: number; readonly atMs: number }[] = [];
  let left = 1;
  const set = (limit: number) => first.semaphore.setLimit(limit);
  const resizing = set(4).then(async () => {
    for (const [index, { semaphore, client }] of [...scene.seats.core, ...scene.seats.core].entries()) {
      left += 1;
      void semaphore.acquire({ weight: 1 + (index % 2) }).then(async (hold) => {
        const { key, operand } = hold.guard();
        granted.push({ place: key, revision: Number(operand), atMs: simulation.nowMs });
        await sleep(client.runtime, holdMs);
        await hold.release();
        left -= 1;
      });
    }
    for (const limit of [2, 5, 2, 6]) {
      await sleep(first.client.runtime, world.random.integer(300));
      await set(limit);
    }
    left -= 1;
  });
  if (!(await world.runUntil(() => left === 0, contentionMs))) {
    throw new NotLive(`${left} callers want permits where nothing goes wrong`, contentionMs);
  }
  await resizing;
  const history = new History(simulation.history);
  const { admittedAt } = admissionsOf(history, scene.prefix);
  for (const { place, revision, atMs } of granted) {
    const life = history.livesOf(place).find(({ from }) => from === revision);
    const admitted = life && admittedAt.get(life);
    if (admitted === undefined || admitted <= since) continue;
    const fromMs = history.timeOf(admitted) ?? atMs;
    if (atMs - fromMs <= handOverMs) continue;
    broken('LOCK-3', `${place} was admitted ${milliseconds(atMs - fromMs)} before its caller was told`);
  }
}
