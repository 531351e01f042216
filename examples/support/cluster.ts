/** The cluster that a run works on: the one that QUORATE_ENDPOINTS names, or an embedded server of its own. */
import { type LeaseId, noLease, prefixRange } from 'quorate';
import { startEmbedded } from 'quorate/embedded';
import { openEtcd3Store } from 'quorate/etcd3';

export interface Cluster {
  readonly endpoints: string;
  readonly description: string;
  /** Deletes every key below the namespaces that begin with `prefix`, and ends the leases of crashed processes. */
  removeEverything(prefix: string): Promise<void>;
  close(): Promise<void>;
}

export async function openCluster(): Promise<Cluster> {
  const named = process.env.QUORATE_ENDPOINTS;
  if (named) {
    const description = `the etcd cluster at ${named}`;
    return { endpoints: named, description, removeEverything: removal(named), close: async () => {} };
  }
  const server = await startEmbedded();
  return {
    endpoints: server.endpoint,
    description: `the embedded server at ${server.endpoint}`,
    removeEverything: removal(server.endpoint),
    close: () => server.close(),
  };
}

function removal(endpoints: string): Cluster['removeEverything'] {
  return async (prefix) => {
    const store = await openEtcd3Store({ hosts: endpoints.split(',') });
    try {
      const { kvs } = await store.range(prefixRange(prefix));
      const leases = new Set<LeaseId>(kvs.map((kv) => kv.lease).filter((lease) => lease !== noLease));
      await store.txn({
        compare: [],
        success: [{ type: 'delete', ...prefixRange(prefix) }],
        failure: [],
      });
      // A lease may end by itself just now, which is as good.
      await Promise.all([...leases].map((lease) => store.leaseRevoke(lease).catch(() => {})));
    } finally {
      await store.close();
    }
  };
}
