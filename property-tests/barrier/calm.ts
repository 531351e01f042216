/** What must be so where nothing goes wrong any more but that watches are cut. */
import { milliseconds } from '../../src/checkers/evidence.js';
import { broken } from '../../src/checkers/sentences.js';
import { NotLive } from '../support/failure.js';
import type { World } from '../support/world.js';
import type { Scene } from './scene.js';
import type { BarrierWorkload } from './workload.js';

const patienceMs = 20_000;
/** By then every wait has read the gate, and the watches stand. */
const settlingMs = 1_500;
/** By then all have been released: their watches have opened again, and the gate was read. */
const releaseMs = 1_800;

/** BARRIER-2: an opening that nobody's watch shows, since they are cut, releases all who waited, and none who came later. */
export async function releaseInCalm(world: World<BarrierWorkload>, scene: Scene): Promise<void> {
  const [holder] = scene.coreSeats;
  if (holder === undefined) return;
  const done = async <T>(what: string, promise: Promise<T>): Promise<T> => {
    let result: { readonly value: T } | undefined;
    void promise.then((value) => {
      result = { value };
    });
    await world.runUntil(() => result !== undefined, patienceMs);
    if (result === undefined) throw new NotLive(what, patienceMs);
    return result.value;
  };
  await done('what was closed on purpose is opened', scene.openAny(holder));
  const hold = await done('a gate that is open is closed', scene.close(holder));
  const released = new Set<string>();
  const wait = (seat: (typeof scene.coreSeats)[number]) => {
    void scene.wait(seat).then(() => released.add(seat.process.name));
  };
  for (const seat of scene.coreSeats) wait(seat);
  await world.run(settlingMs);
  if (released.size > 0) broken('BARRIER-1', `${[...released]} waited at a closed gate, and returned`);
  scene.watches.cut();
  const again = await done(
    'a gate is opened and closed again',
    scene.openHold(holder, hold).then(() => scene.close(holder)),
  );
  scene.watches.mend();
  const areAll = () => released.size === scene.coreSeats.length;
  if (!(await world.runUntil(areAll, releaseMs))) {
    const left = scene.coreSeats.find(({ process }) => !released.has(process.name));
    broken(
      'BARRIER-2',
      `${left?.process.name} waits ${milliseconds(releaseMs)} after the gate was opened, and closed again`,
    );
  }
  scene.reached('all who waited were released by an opening that their watches did not show');
  released.clear();
  for (const seat of scene.coreSeats) wait(seat);
  await world.run(settlingMs);
  if (released.size > 0) broken('BARRIER-1', `${[...released]} came after it was closed again, and returned`);
  await done('the gate is opened', scene.openHold(holder, again));
  if (await world.runUntil(areAll, releaseMs)) return;
  broken('BARRIER-2', `somebody waits ${milliseconds(releaseMs)} after the gate was opened`);
}
