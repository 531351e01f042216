/**
 * The lanes of commit stores: processes whose requests are lost, answered too late or applied too late, that crash, pause, run
 * out of patience and close, while an administrator ends their lanes and history is compacted. Every call is judged by the
 * whole history; once all or a core is healed, every call is answered and every lane goes on.
 */
import { History } from '../src/checkers/index.js';
import { isQuorateError } from '../src/errors.js';
import { sleep } from '../src/runtime/index.js';
import type { FaultKind, ProcessContext, Simulation } from '../src/simulator/index.js';
import { type Key, put, type TxnRequest, txnOf } from '../src/store/index.js';
import { Attempts } from './commit/attempts.js';
import { Calls } from './commit/calls.js';
import { CommitProcess, countsOf } from './commit/commit-process.js';
import { intervene } from './commit/interventions.js';
import { judge } from './commit/judge.js';
import { type LanesWorkload, lanesWorkload, requestOf, type Step } from './commit/lanes-workload.js';
import { heldKey, heldPrefix, releaseOf } from './commit/releases.js';
import { countCalls, laneSituations } from './commit/situations.js';
import type { Property } from './support/property.js';
import type { World } from './support/world.js';

/** Those that lanes can notice, so that they are not drowned by the rest: watches serve them seldom, wall clocks never. */
const laneFaults: readonly FaultKind[] = [
  ...(['slow-link', 'lossy-link', 'late-link', 'silent-watches', 'lost-keep-alives'] as const),
  ...(['cut-replies', 'cut-requests', 'cut-link', 'pause', 'crash', 'compaction', 'no-space'] as const),
  ...(['leader-change', 'member-lag', 'member-mute', 'member-isolated', 'member-crash'] as const),
];
const safetyMs = 10_000;
/** How long an intervention waits for the worst moment. */
const longestChanceMs = 3_000;
/**
 * What may follow one on another after the healing, at the worst: a client notices that its connection is gone, or the cluster
 * answers what has waited in it (8 s); a lane backs off and its attempt times out, and again for a fence (8 s); a new lease
 * and a new lane (4 s); history is asked for (4 s); the processes wait before they close (8 s). Where a member stays broken,
 * some of these cost one more timeout (10 s).
 */
const livenessMs = 8_000 + 8_000 + 4_000 + 4_000 + 8_000 + 10_000;
/** Requests may arrive so late, and leases of lanes that nobody renews end within it. */
const afterlifeMs = 12_000;
const lanePrefix = 'q/lane/';

async function run(world: World<LanesWorkload>): Promise<void> {
  const { simulation, workload } = world;
  const { lanes, laneTtlSeconds, weather } = workload;
  const calls = new Calls(() => simulation.nowMs);
  const attempts = new Attempts({ engine: simulation.engine, nowMs: () => simulation.nowMs, lanePrefix });
  let isHealed = false;
  const processes = workload.processes.map((steps, index) => {
    const process = new CommitProcess({
      ...{ calls, attempts, simulation, lanes, laneTtlSeconds, lanePrefix: lanePrefixOf(index) },
    });
    let next = 0;
    world.start(`p${index}`, async (context) => {
      process.begin();
      for (let step = steps[next]; step !== undefined; step = steps[next]) {
        next += 1;
        await take(process, context, step);
      }
      await process.finish(context, () => isHealed);
    });
    if (weather !== 'fair')
      simulation.inject({ atMs: 0, durationMs: safetyMs, kind: weather, target: index });
    return process;
  });
  const administrator = simulation.connect();
  for (const intervention of workload.interventions) {
    const { afterMs, atWorst, process } = intervention;
    await world.run(afterMs);
    const inDoubt = () => attempts.isInDoubt(lanePrefixOf(process));
    const leftMs = Math.max(0, safetyMs - simulation.nowMs);
    if (atWorst) await simulation.runUntil(inDoubt, Math.min(longestChanceMs, leftMs));
    void intervene(simulation, administrator, { ...intervention, prefix: lanePrefixOf(process) }).catch(
      ignore,
    );
  }
  await world.safetyPhase(() => false, Math.max(0, safetyMs - simulation.nowMs));
  world.heal();
  isHealed = true;
  const isForeign = (key: Key) => key.startsWith(heldPrefix);
  const judged = () =>
    judge({ calls, attempts, lanePrefix, simulation, isForeign, history: new History(simulation.history) });
  try {
    await world.livenessPhase(() => unfinished(simulation), livenessMs);
  } catch (error) {
    // What was done wrong says more than what was not done.
    judged();
    throw error;
  }
  await world.run(afterlifeMs);
  const { groups } = judged();
  const counts = countsOf(processes, lanes + 1);
  countCalls(world, { calls, attempts, groups, counts, history: simulation.history });
}

/** What fails of an administrator's work is left as it is. */
function ignore(error: unknown): void {
  if (!isQuorateError(error)) throw error;
}

function lanePrefixOf(process: number): string {
  return `${lanePrefix}p${process}/`;
}

async function take(process: CommitProcess, context: ProcessContext, step: Step): Promise<void> {
  const { deed, patienceMs, isCalledOff, inOwnLane } = step;
  if (step.afterMs > 0) await sleep(context.runtime, step.afterMs);
  if (deed === 'close') return process.close(context);
  const request = requestFor(process, context, step);
  if (request === undefined) return;
  await process.ask(context, {
    ...{ request, inOwnLane, isRead: deed === 'read' },
    ...{ isOneSided: deed === 'claim', isRepeatable: deed === 'release' },
    timeoutMs: isCalledOff || patienceMs === null ? longestPatienceMs(step) : patienceMs,
    abortAfterMs: isCalledOff ? (patienceMs ?? undefined) : undefined,
  });
}

/** Undefined if there is nothing to be released. */
function requestFor(
  process: CommitProcess,
  { name }: ProcessContext,
  { deed, key }: Step,
): TxnRequest | undefined {
  if (deed === 'close') return undefined;
  if (deed !== 'hold' && deed !== 'release') return requestOf(deed, key);
  const held = heldKey(name, key);
  if (deed === 'hold') return txnOf({ success: [put(held, '')] });
  const revision = process.lastPutOf(held);
  return revision === undefined ? undefined : releaseOf(held, revision);
}

/** What goes past the lanes has nobody to send it again. */
function longestPatienceMs({ deed, inOwnLane }: Step): number {
  return deed === 'read' && !inOwnLane ? 5_000 : Number.POSITIVE_INFINITY;
}

function unfinished({ processes }: Simulation): string | undefined {
  const process = processes.find(({ isCore, status }) => isCore && status !== 'finished');
  return process && `${process.name} has calls that are not answered, or lanes that stand still`;
}

export const lanesProperty: Property<LanesWorkload> = {
  module: 'lanes',
  invariants: ['COMMIT-1', 'COMMIT-2', 'COMMIT-3', 'COMMIT-4'],
  workload: lanesWorkload,
  faults: { kinds: laneFaults, maxWindows: 8, withinMs: 5_000 },
  sometimes: laneSituations,
  runs: 1_300,
  run,
};
