import type { Simulation } from '../../src/simulator/index.js';
import { type Key, prefixRange, put, type Store, txnOf } from '../../src/store/index.js';
import { type Intervention, sometimesLease } from './lanes-workload.js';

/** Does it over a connection that nothing befalls, but the cluster's own faults: it may come late, or fail. */
export async function intervene(
  simulation: Simulation,
  store: Store,
  { what, prefix }: { readonly what: Intervention['what']; readonly prefix: Key },
): Promise<void> {
  const { engine } = simulation;
  const range = prefixRange(prefix);
  switch (what) {
    case 'grant lease':
      await store.leaseGrant({ id: sometimesLease, ttlSeconds: 600 });
      break;
    case 'end lease':
      await store.leaseRevoke(sometimesLease);
      break;
    case 'end lanes':
      await endLanes(simulation, store, prefix);
      break;
    case 'end lanes and history':
      await endLanes(simulation, store, prefix);
      compact(simulation, newestDeletion(simulation, prefix));
      break;
    case 'replace lanes': {
      const { kvs } = engine.range(range);
      await store.txn(txnOf({ success: [{ type: 'delete', ...range }] }));
      await store.txn(txnOf({ success: kvs.map(({ key, lease }) => put(key, '0', { lease })) }));
      compact(simulation, engine.revision);
      break;
    }
    case 'compact':
      compact(simulation, engine.revision);
  }
}

async function endLanes({ engine }: Simulation, store: Store, prefix: Key): Promise<void> {
  const leases = new Set(engine.range(prefixRange(prefix)).kvs.map(({ lease }) => lease));
  for (const lease of leases) await store.leaseRevoke(lease);
}

/** The revision of the last deletion of a lane; 0 if there was none. */
function newestDeletion({ history }: Simulation, prefix: Key): number {
  const isDeletion = history.findLast(({ events }) =>
    events.some(({ type, kv }) => type === 'delete' && kv.key.startsWith(prefix)),
  );
  return isDeletion?.revision ?? 0;
}

function compact({ cluster, engine }: Simulation, revision: number): void {
  if (revision > engine.compactRevision) cluster.compact(revision);
}
