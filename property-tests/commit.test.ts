import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CommitStore, type Lane, openCommitStore } from '../src/commit/index.js';
import { isQuorateError } from '../src/errors.js';
import { MemoryServer } from '../src/memory/index.js';
import { systemRuntime } from '../src/runtime/index.js';
import type { Store, TxnRequest } from '../src/store/index.js';
import { CommitOracle, type Observed } from '../test/support/commit-oracle.js';
import { fastRuntime } from '../test/support/fast-runtime.js';
import { type FaultyStore, faultyStore } from '../test/support/faulty-store.js';
import { propertyRuns } from '../test/support/property-runs.js';
import { marked, randomRequest } from '../test/support/random-txn.js';

const lanePrefix = 'q/lane/p/';
const runtime = fastRuntime(100);
/** Far beyond what any run takes. */
const longMs = 10_000_000;

interface Call {
  readonly request: TxnRequest;
  /** Calls of the same number are made in the same tick. */
  readonly tick: number;
  readonly timeoutMs: number | undefined;
  readonly inLane: boolean;
}

const calls = (timeoutMs: fc.Arbitrary<number | undefined>) =>
  fc.array(fc.record({ request: randomRequest, tick: fc.nat(4), timeoutMs, inLane: fc.boolean() }), {
    minLength: 1,
    maxLength: 24,
  });
const patient = fc.constant(undefined);

interface Scene {
  readonly server: MemoryServer;
  readonly network: FaultyStore;
  readonly commits: CommitStore;
  readonly lane: Lane;
}

async function withScene(
  network: (store: Store) => FaultyStore,
  lanes: number,
  play: (scene: Scene) => Promise<void>,
): Promise<void> {
  const server = new MemoryServer();
  const faulty = network(server.connect());
  const commits = await openCommitStore(faulty, {
    runtime,
    lanePrefix,
    lanes,
    laneTtlSeconds: longMs / 1_000,
    connectTimeoutMs: longMs,
    defaultTimeoutMs: longMs,
  });
  try {
    await play({ server, network: faulty, commits, lane: await commits.openLane() });
  } finally {
    faulty.heal();
    await faulty.releaseHeld();
    await commits.close();
    await server.close();
  }
}

/** Makes the calls; between ticks, `disturb` may do harm. */
async function play(
  { commits, lane }: Scene,
  script: readonly Call[],
  disturb: (tick: number) => void = () => {},
): Promise<Observed[]> {
  const results: Promise<Observed>[] = [];
  for (let tick = 0; tick <= 4; tick += 1) {
    for (const [index, call] of script.entries()) {
      if (call.tick !== tick) continue;
      const marker = `t/${index}`;
      const request = marked(call.request, marker);
      const sent = (call.inLane ? lane : commits).txn(request, { timeoutMs: call.timeoutMs });
      results.push(
        sent.then(
          (reply) => ({ marker, request, reply }),
          (error: unknown) => {
            if (!isQuorateError(error)) throw error;
            return { marker, request, error: { code: error.code, outcome: error.outcome } };
          },
        ),
      );
    }
    disturb(tick);
    for (let turn = 0; turn < tick; turn += 1) await systemRuntime.nextTurn();
  }
  return Promise.all(results);
}

/** Every reply is that of a single execution, every effect happened once or never, and nothing else happened. */
function judge(server: MemoryServer, observed: readonly Observed[]): void {
  const oracle = new CommitOracle(server.engine, lanePrefix);
  const perRevision = new Map<number, Observed[]>();
  for (const one of observed) {
    const appliedAt = oracle.appliedAt(one);
    if (one.reply !== undefined) {
      expect(appliedAt).toEqual([one.reply.revision]);
      expect(one.reply).toEqual(oracle.expectedReply(one, one.reply.revision));
      expect(oracle.foreignChanges(one, one.reply.revision)).toEqual([]);
    } else if (one.error?.outcome === 'unknown') expect(appliedAt.length).toBeLessThanOrEqual(1);
    else expect(appliedAt).toEqual([]);
    for (const revision of appliedAt) perRevision.set(revision, [...(perRevision.get(revision) ?? []), one]);
  }
  for (const revision of oracle.revisions) {
    expect(oracle.state(revision)).toEqual(oracle.expectedState(perRevision.get(revision) ?? [], revision));
  }
}

const refusals = ['duplicate-key', 'key-not-found', 'lease-not-found', 'future-revision', 'compacted'];
const lossy = {
  delay: 0.1,
  refuse: 0.08,
  'lose-request': 0.08,
  'lose-reply': 0.12,
  'timeout-lost': 0.04,
  'timeout-applied': 0.06,
  late: 0.15,
};

describe('commit store', () => {
  it('COMMIT-1 grouped and single execution are indistinguishable', async () => {
    await fc.assert(
      fc.asyncProperty(calls(patient), fc.integer({ min: 1, max: 3 }), async (script, lanes) => {
        await withScene(faultyStore, lanes, async (scene) => {
          const observed = await play(scene, script);
          for (const { error } of observed) {
            if (error) expect(error.outcome).toBe('not-applied');
            if (error) expect(refusals).toContain(error.code);
          }
          judge(scene.server, observed);
        });
      }),
      propertyRuns(150),
    );
  });

  it('COMMIT-1 a lane applies in the order of the calls', async () => {
    await fc.assert(
      fc.asyncProperty(calls(patient), fc.nat(), async (script, seed) => {
        await withScene(
          (store) => faultyStore(store, { seed, rates: lossy }),
          1,
          async (scene) => {
            const observed = await play(
              scene,
              script.map((call) => ({ ...call, inLane: true, tick: 0 })),
            );
            const revisions = observed.flatMap(({ reply }) => (reply ? [reply.revision] : []));
            expect(revisions).toEqual([...revisions].sort((left, right) => left - right));
          },
        );
      }),
      propertyRuns(40),
    );
  });

  it('COMMIT-2 COMMIT-3 each takes effect exactly once or never, and who waits is told which', async () => {
    await fc.assert(
      fc.asyncProperty(calls(patient), fc.nat(), async (script, seed) => {
        await withScene(
          (store) => faultyStore(store, { seed, rates: lossy }),
          2,
          async (scene) => {
            const observed = await play(scene, script);
            for (const { error } of observed) {
              if (error) expect(error.outcome).toBe('not-applied');
              if (error) expect(refusals).toContain(error.code);
            }
            judge(scene.server, observed);
          },
        );
      }),
      propertyRuns(120),
    );
  });

  it('COMMIT-2 holds while lanes are lost, and COMMIT-4 late attempts change nothing afterwards', async () => {
    await fc.assert(
      fc.asyncProperty(calls(patient), fc.nat(), fc.nat(4), async (script, seed, lostAt) => {
        await withScene(
          (store) => faultyStore(store, { seed, rates: lossy }),
          2,
          async (scene) => {
            const { server, network } = scene;
            const observed = await play(scene, script, (tick) => {
              if (tick === lostAt) for (const id of server.engine.leases()) server.engine.leaseRevoke(id);
            });
            for (const { error } of observed) if (error) expect(error.outcome).toBe('not-applied');
            network.heal();
            const settled = server.engine.range({ key: 'k', rangeEnd: '\0' }).kvs;
            await network.releaseHeld();
            expect(server.engine.range({ key: 'k', rangeEnd: '\0' }).kvs).toEqual(settled);
            judge(server, observed);
          },
        );
      }),
      propertyRuns(80),
    );
  });

  it('COMMIT-3 unknown only when the deadline passed first', async () => {
    const impatient = fc.option(fc.integer({ min: 10, max: 1_500 }), { nil: undefined });
    await fc.assert(
      fc.asyncProperty(calls(impatient), fc.nat(), async (script, seed) => {
        await withScene(
          (store) => faultyStore(store, { seed, rates: lossy }),
          2,
          async (scene) => {
            const observed = await play(scene, script);
            for (const { error } of observed) {
              if (error?.outcome === 'unknown') expect(error.code).toBe('timeout');
            }
            scene.network.heal();
            await scene.commits.close();
            await scene.network.releaseHeld();
            judge(scene.server, observed);
          },
        );
      }),
      propertyRuns(80),
    );
  });

  it('COMMIT-3 unknown after compaction, and then nothing is made up', async () => {
    await fc.assert(
      fc.asyncProperty(calls(patient), fc.nat(), fc.array(fc.nat(4)), async (script, seed, compactAt) => {
        await withScene(
          (store) => faultyStore(store, { seed, rates: { ...lossy, 'lose-reply': 0.3 } }),
          2,
          async (scene) => {
            const { engine } = scene.server;
            const observed = await play(scene, script, (tick) => {
              if (compactAt.includes(tick) && engine.revision > engine.compactRevision) {
                engine.compact(engine.revision);
              }
            });
            for (const { marker, reply, error } of observed) {
              const [kv] = engine.range({ key: marker }).kvs;
              if (reply !== undefined) {
                expect(kv).toMatchObject({ modRevision: reply.revision, version: 1 });
                expect(Buffer.from(kv?.value ?? []).toString()).toBe(reply.succeeded ? 'success' : 'failure');
              } else if (error?.outcome === 'unknown') {
                expect(error.code).toBe('compacted');
                expect(kv?.version ?? 1).toBe(1);
              } else expect(kv).toBeUndefined();
            }
          },
        );
      }),
      propertyRuns(80),
    );
  });
});
