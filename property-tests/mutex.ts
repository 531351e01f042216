/**
 * The mutex: callers that lose their patience, processes that crash, pause, sleep and hold on too long, an administrator who
 * deletes their places and revokes their leases, history compacted under them. The history is judged, and what each
 * process believed; and once all or a core is healed, whoever is left gets the lock, by events and not by looking again.
 */
import { prefixRange } from '../src/store/index.js';
import { contendInCalm, deleteAHold } from './mutex/calm.js';
import { judge } from './mutex/judge.js';
import { Scene } from './mutex/scene.js';
import { situations } from './mutex/situations.js';
import { takeTurnsAway } from './mutex/taken-turns.js';
import { type MutexWorkload, mutexWorkload, withinMs } from './mutex/workload.js';
import { compactAtMoments } from './support/compaction.js';
import type { Property } from './support/property.js';
import { settle } from './support/settle.js';
import type { World } from './support/world.js';

const safetyMs = 9_000;
/**
 * What may follow one on another after the healing, at the worst: a client notices that its connection is gone (8 s) or its
 * watch silent (20 s); the leases of the lost run on, anew under a new leader, and late (2 * 4 s and 1 s); a call that was
 * lost times out before it is sent again, once for the opening of a session, once for the join (5 s each, and 5 s of
 * backing off); and everybody's turn comes, of whom each may have found a member that stays broken (5 s for each of 32).
 */
const livenessMs = 8_000 + 20_000 + 9_000 + 15_000 + 32 * 5_000;
/** With a lock-delay a lost holder's key goes as late as its second lease: 1.5 times both, anew under a new leader, and late. */
const livenessWithDelayMs = livenessMs + 2 * 9_000 + 1_000;
/** Requests may arrive so late; and by then everybody has noticed what became of its connection. */
const afterlifeMs = 9_000;

async function run(world: World<MutexWorkload>): Promise<void> {
  const { workload } = world;
  const scene = new Scene(world);
  for (const callers of workload.processes) scene.seats.start(callers);
  compactAtMoments(world, workload.compactEveryMs, safetyMs);
  await scene.administrator.doAll(workload.deeds);
  await scene.seats.safetyPhase(safetyMs);
  await settle(world, {
    pending: () => scene.seats.left('wants the lock'),
    withinMs: workload.lockDelayMs > 0 ? livenessWithDelayMs : livenessMs,
    afterlifeMs,
    judge: () => judge(world, scene, { drained: false }),
  });
  // What was sent long ago must leave nothing behind.
  await world.runUntil(() => isEmpty(world, scene), livenessMs);
  judge(world, scene, { drained: true });
  if (world.plan.knobs.heal === 'all') await contendInCalm(world, scene);
  await deleteAHold(world, scene);
  if (world.plan.knobs.heal === 'all') await takeTurnsAway(world, scene);
}

function isEmpty({ simulation }: World<MutexWorkload>, { line }: Scene): boolean {
  return simulation.engine.range({ ...prefixRange(line), countOnly: true }).count === 0;
}

export const mutexProperty: Property<MutexWorkload> = {
  module: 'mutex',
  invariants: [
    'LOCK-1',
    'LOCK-2',
    'LOCK-3',
    'LOCK-4',
    'LOCK-5',
    'LOCK-6',
    'LOCK-7',
    'LOCK-8',
    'LOCK-9',
    'LOCK-11',
  ],
  workload: mutexWorkload,
  faults: { maxWindows: 14, withinMs },
  sometimes: situations,
  runs: 2_500,
  run,
};
