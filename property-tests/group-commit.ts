/**
 * Group commit: many callers at once ask for transactions of all shapes, of which some are refused, over a network and a cluster
 * that misbehave. The history judges alone: each must have been answered as if it had been executed by itself.
 */
import { History } from '../src/checkers/index.js';
import { isQuorateError } from '../src/errors.js';
import { sleep } from '../src/runtime/index.js';
import type { FaultKind, ProcessContext, Simulation } from '../src/simulator/index.js';
import { put, type Store, txnOf } from '../src/store/index.js';
import { Attempts } from './commit/attempts.js';
import { Calls } from './commit/calls.js';
import { CommitProcess, countsOf } from './commit/commit-process.js';
import {
  anchorOf,
  askingOf,
  type Burst,
  crowdOf,
  type GroupsWorkload,
  groupsWorkload,
  leaseIds,
} from './commit/groups-workload.js';
import { judge } from './commit/judge.js';
import { countGroups, groupSituations } from './commit/situations.js';
import type { Property } from './support/property.js';
import type { World } from './support/world.js';

/** Those that transactions can notice; what befalls lanes has a property of its own. */
const groupFaults: readonly FaultKind[] = [
  ...(['slow-link', 'lossy-link', 'late-link', 'cut-replies', 'cut-link', 'pause', 'crash'] as const),
  ...(['compaction', 'no-space', 'leader-change', 'member-lag', 'member-isolated', 'member-crash'] as const),
];
const safetyMs = 6_000;
/** As for lanes. */
const livenessMs = 42_000;
const afterlifeMs = 8_000;
const lanePrefix = 'q/lane/';

async function run(world: World<GroupsWorkload>): Promise<void> {
  const { simulation, workload } = world;
  const { lanes, weather } = workload;
  const calls = new Calls(() => simulation.nowMs);
  const attempts = new Attempts({ engine: simulation.engine, nowMs: () => simulation.nowMs, lanePrefix });
  const administrator = simulation.connect();
  const leases = grantLeases(administrator);
  let isHealed = false;
  const processes = workload.processes.map((bursts, index) => {
    const process = new CommitProcess({
      ...{ calls, attempts, simulation, lanes, laneTtlSeconds: 600, lanePrefix: `${lanePrefix}p${index}/` },
    });
    let next = 0;
    world.start(`p${index}`, async (context) => {
      process.begin();
      for (let burst = bursts[next]; burst !== undefined; burst = bursts[next]) {
        next += 1;
        await askAll(process, context, burst);
      }
      await process.finish(context, () => isHealed);
    });
    if (weather !== 'fair')
      simulation.inject({ atMs: 0, durationMs: safetyMs, kind: weather, target: index });
    return process;
  });
  for (const [index, afterMs] of [...workload.leaseEndsMs].sort((left, right) => left - right).entries()) {
    await world.run(afterMs - simulation.nowMs);
    void leases.then(() => administrator.leaseRevoke(leaseIds[index] ?? '')).catch(ignore);
  }
  await world.safetyPhase(() => false, Math.max(0, safetyMs - simulation.nowMs));
  world.heal();
  isHealed = true;
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
  const { groups, largestGroup } = judged();
  const counts = countsOf(processes, lanes + 1);
  countGroups(world, { calls, attempts, groups, largestGroup, counts, history: simulation.history });
}

const isForeign = (key: string) => key.startsWith(anchorOf(''));

/** Grants each lease, and puts the key on it that is there as long as it is. */
async function grantLeases(store: Store): Promise<void> {
  for (const id of leaseIds) {
    try {
      await store.leaseGrant({ id, ttlSeconds: 600 });
      await store.txn(txnOf({ success: [put(anchorOf(id), '', { lease: id })] }));
    } catch (error) {
      ignore(error);
    }
  }
}

function ignore(error: unknown): void {
  if (!isQuorateError(error)) throw error;
}

async function askAll(process: CommitProcess, context: ProcessContext, burst: Burst): Promise<void> {
  await sleep(context.runtime, burst.afterMs);
  await process.open(context);
  const asked = [...burst.asks.map(askingOf), ...crowdOf(burst)];
  await Promise.all(asked.map((asking) => process.ask(context, asking)));
}

function unfinished({ processes }: Simulation): string | undefined {
  const process = processes.find(({ isCore, status }) => isCore && status !== 'finished');
  return process && `${process.name} has calls that are not answered, or lanes that stand still`;
}

export const groupCommitProperty: Property<GroupsWorkload> = {
  module: 'group-commit',
  invariants: ['COMMIT-1', 'COMMIT-2', 'COMMIT-3', 'COMMIT-4'],
  workload: groupsWorkload,
  faults: { kinds: groupFaults, maxWindows: 4, withinMs: 3_000 },
  sometimes: groupSituations,
  runs: 1_300,
  run,
};
