import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, inject, it, type TestContext } from 'vitest';
import { openEtcd3Store } from '../../../src/etcd3/index.js';
import { Mutex } from '../../../src/locks/index.js';
import { Client } from '../../../src/session/index.js';
import { uniqueName } from '../../support/stores.js';
import type { Block, BlockedProcessOptions, Decided } from './blocked-process.js';

const script = fileURLToPath(new URL('./blocked-process.ts', import.meta.url));
const ttlMs = 2_000;
/** What the margin leaves of the TTL. */
const lifetimeMs = ttlMs - 340;

/** A process that holds the lock and is blocked, and this one, which waits for the lock. */
class Contest {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<unknown[]>;
  readonly #expect: TestContext['expect'];
  /** How long after the other process held the lock this one got it. */
  gotAfterMs: number | undefined;

  private constructor({ expect, onTestFinished }: TestContext, options: BlockedProcessOptions) {
    this.#expect = expect;
    this.child = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#ended = once(this.child, 'exit');
    if (this.child.stdout === null) throw new Error('no output');
    this.#lines = createInterface(this.child.stdout)[Symbol.asyncIterator]();
    onTestFinished(() => void this.child.kill('SIGKILL'));
  }

  static async begin(
    context: TestContext,
    options: Omit<BlockedProcessOptions, 'endpoint' | 'namespace' | 'ttlMs'>,
  ): Promise<Contest> {
    const { onTestFinished } = context;
    const endpoint = inject('etcdEndpoint');
    const namespace = uniqueName('blocked');
    const contest = new Contest(context, { endpoint, namespace, ttlMs, ...options });
    const store = await openEtcd3Store({ hosts: endpoint });
    const client = await Client.open({ store, namespace, closeStore: true });
    onTestFinished(() => client.close());
    await contest.hear('held');
    const heldAtMs = performance.now();
    const given = new AbortController();
    onTestFinished(() => given.abort());
    new Mutex(client, 'line').acquire({ signal: given.signal }).then(
      () => {
        contest.gotAfterMs = performance.now() - heldAtMs;
      },
      () => {},
    );
    return contest;
  }

  async hear<T>(event: string): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`the process ended before it was ${event}`);
    this.#expect(JSON.parse(value)).toMatchObject({ event });
    return JSON.parse(value) as T;
  }

  /** By itself, with nothing left that keeps it alive. */
  async ends(): Promise<void> {
    await this.hear('closed');
    this.#expect(await this.#ended).toEqual([0, null]);
  }
}

describe.skipIf(inject('etcdEndpoint') === '')('an event loop that is blocked for twice the TTL', () => {
  it.concurrent('loses its session if it renews the lease itself, and another process gets the lock', async (context) => {
    const { expect } = context;
    const contest = await Contest.begin(context, { renewal: 'loop', blockMs: 4_500 });
    const block = await contest.hear<Block>('blocked');
    expect(block.deadAfterMs).toBeLessThanOrEqual(lifetimeMs + 100);
    expect(block).toMatchObject({ liveAtEnd: false, state: 'suspect' });
    expect(contest.gotAfterMs).toBeGreaterThanOrEqual(block.deadAfterMs ?? 0);
    expect(await contest.hear<Decided>('decided')).toMatchObject({ live: false, aborted: true });
    await contest.ends();
  });

  it.concurrent('SESSION-12 keeps it if a thread renews the lease, knows that all the time, and nobody else gets the lock', async (context) => {
    const { expect } = context;
    const contest = await Contest.begin(context, { renewal: 'worker', blockMs: 4_500 });
    const block = await contest.hear<Block>('blocked');
    expect(block).toEqual({ event: 'blocked', liveAtEnd: true, state: 'healthy' });
    const decided = await contest.hear<Decided>('decided');
    expect(decided).toMatchObject({ live: true, aborted: false });
    expect(decided.reason).toBeUndefined();
    expect(decided.lateMs).toBeGreaterThan(4_000);
    expect(decided.lateMs).toBeLessThanOrEqual(5_500);
    await contest.ends();
    await delay(100);
    expect(contest.gotAfterMs).toBeGreaterThanOrEqual(4_500);
  });

  it.concurrent('SESSION-12 loses it all the same after the longest stall, and the first check says so', async (context) => {
    const { expect } = context;
    const contest = await Contest.begin(context, {
      renewal: 'worker',
      longestStallMs: 1_000,
      blockMs: 6_000,
    });
    const block = await contest.hear<Block>('blocked');
    // The last keep-alive leaves within the longest stall. Without it the deadline would be that of the first.
    expect(block.deadAfterMs).toBeGreaterThan(lifetimeMs + 100);
    expect(block.deadAfterMs).toBeLessThanOrEqual(1_000 + lifetimeMs + 100);
    expect(block).toMatchObject({ liveAtEnd: false, state: 'suspect' });
    expect(contest.gotAfterMs).toBeGreaterThanOrEqual(block.deadAfterMs ?? 0);
    const decided = await contest.hear<Decided>('decided');
    expect(decided).toMatchObject({ live: false, aborted: true });
    // The loop turns again, so the thread asks the store again, whose answer may be there before the loop's own check.
    expect(decided.reason).toMatch(/^(deadline|lease-gone)$/);
    await contest.ends();
  });

  it.concurrent('SESSION-12 loses it if all of the process is stopped, as the first check afterwards says', async (context) => {
    const { expect } = context;
    const contest = await Contest.begin(context, { renewal: 'worker', blockMs: 5_500 });
    await delay(300);
    contest.child.kill('SIGSTOP');
    await delay(4_500);
    expect(contest.gotAfterMs).toBeDefined();
    contest.child.kill('SIGCONT');
    const block = await contest.hear<Block>('blocked');
    expect(block.deadAfterMs).toBeGreaterThan(4_000);
    expect(block.deadAfterMs).toBeLessThan(5_500);
    expect(block.liveAtEnd).toBe(false);
    expect(await contest.hear<Decided>('decided')).toMatchObject({ live: false, aborted: true });
    await contest.ends();
  });
});
