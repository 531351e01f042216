import { onTestFinished } from 'vitest';
import { type CommitStore, type CommitStoreOptions, openCommitStore } from '../../src/commit/index.js';
import { isQuorateError, type QuorateError } from '../../src/errors.js';
import { MemoryServer } from '../../src/memory/index.js';
import { systemRuntime } from '../../src/runtime/index.js';
import { compare, get, put, type Store, type TxnRequest, txnOf } from '../../src/store/index.js';
import { type CallCounts, countingStore } from '../support/counting-store.js';
import { type FaultyStore, faultyStore } from '../support/faulty-store.js';
import { hookedStore } from '../support/hooked-store.js';

export const lanePrefix = 'q/lane/test/';

/** A commit store over a server in memory, with everything between them that can go wrong. */
export interface Scene {
  readonly server: MemoryServer;
  readonly engine: MemoryServer['engine'];
  /** Another process's store. */
  readonly other: Store;
  readonly network: FaultyStore;
  readonly hooked: ReturnType<typeof hookedStore>;
  readonly counts: CallCounts;
  readonly commits: CommitStore;
}

export async function openScene(
  options: Partial<CommitStoreOptions> = {},
  server = new MemoryServer(),
): Promise<Scene> {
  const { store, counts } = countingStore(server.connect());
  const hooked = hookedStore(store);
  // Late requests stay held until the test lets them go.
  const network = faultyStore(hooked.store, { latestAfter: 1e9 });
  const commits = await openCommitStore(network, {
    runtime: systemRuntime,
    lanePrefix,
    lanes: 1,
    closeTimeoutMs: 200,
    ...options,
  });
  onTestFinished(async () => {
    network.heal();
    await commits.close();
    await server.close();
  });
  return { server, engine: server.engine, other: server.connect(), network, hooked, counts, commits };
}

export function guardedCreate(key: string, value = 'v'): TxnRequest {
  return txnOf({
    compare: [compare.create(key, 'equal', 0)],
    success: [put(key, value)],
    failure: [get(key)],
  });
}

/** The error that the promise rejects with; it must be one of this library. */
export async function failureOf(promise: Promise<unknown>): Promise<QuorateError> {
  const error = await promise.then(
    (value) => new Error(`settled with ${JSON.stringify(value)}`),
    (failure: unknown) => failure,
  );
  if (!isQuorateError(error)) throw error;
  return error;
}

export function laneKeys(engine: Scene['engine']): string[] {
  return engine.range({ key: lanePrefix, rangeEnd: 'q/lane/test0' }).kvs.map((kv) => kv.key);
}

/** What ending the lanes' lease does: all lanes vanish in one revision. */
export function loseLanes(engine: Scene['engine']): void {
  for (const id of engine.leases()) engine.leaseRevoke(id);
}
