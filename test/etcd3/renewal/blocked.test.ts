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

/** By the wall clock, which both processes share. */
const nowMs = () => performance.timeOrigin + performance.now();

/** A loaded machine looks late; and the clock of one process may be that of the other to the millisecond only. */
const latestLookMs = 1_500;
const clockErrorMs = 20;

/** A process that holds the lock and is blocked, and this one, which waits for the lock. */
class Contest {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<unknown[]>;
  readonly #expect: TestContext['expect'];
  /** When this process got the lock, by the wall clock. */
  gotAtMs: number | undefined;

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
    const given = new AbortController();
    onTestFinished(() => given.abort());
    new Mutex(client, 'line').acquire({ signal: given.signal }).then(
      () => {
        contest.gotAtMs = nowMs();
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

  /** How long after the other's block began this process got the lock, once it has. */
  async gotAfterMs({ beganAtMs }: Block): Promise<number> {
    await this.#expect.poll(() => this.gotAtMs).toBeDefined();
    return (this.gotAtMs ?? 0) - beganAtMs + clockErrorMs;
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
    expect(block.deadAfterMs).toBeLessThanOrEqual(lifetimeMs + latestLookMs);
    expect(block).toMatchObject({ liveAtEnd: false, state: 'suspect' });
    expect(await contest.gotAfterMs(block)).toBeGreaterThanOrEqual(block.deadAfterMs ?? Infinity);
    expect(await contest.hear<Decided>('decided')).toMatchObject({ live: false, aborted: true });
    await contest.ends();
  });

  it.concurrent('SESSION-12 keeps it if a thread renews the lease, knows that all the time, and nobody else gets the lock', async (context) => {
    const { expect } = context;
    const contest = await Contest.begin(context, { renewal: 'worker', blockMs: 4_500 });
    const block = await contest.hear<Block>('blocked');
    expect(block).toMatchObject({ event: 'blocked', liveAtEnd: true, state: 'healthy' });
    expect(block.deadAfterMs).toBeUndefined();
    const decided = await contest.hear<Decided>('decided');
    expect(decided).toMatchObject({ live: true, aborted: false });
    expect(decided.reason).toBeUndefined();
    expect(decided.lateMs).toBeGreaterThan(4_000);
    expect(decided.lateMs).toBeLessThanOrEqual(15_000);
    await contest.ends();
    expect(await contest.gotAfterMs(block)).toBeGreaterThanOrEqual(4_500);
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
    expect(block.deadAfterMs).toBeLessThanOrEqual(1_000 + lifetimeMs + latestLookMs);
    expect(block).toMatchObject({ liveAtEnd: false, state: 'suspect' });
    expect(await contest.gotAfterMs(block)).toBeGreaterThanOrEqual(block.deadAfterMs ?? Infinity);
    const decided = await contest.hear<Decided>('decided');
    expect(decided).toMatchObject({ live: false, aborted: true });
    // The loop turns again, so the thread asks the store again, whose answer may be there before the loop's own check.
    expect(decided.reason).toMatch(/^(deadline|lease-gone)$/);
    await contest.ends();
  });

  it.concurrent('SESSION-12 loses it if all of the process is stopped, as the first check afterwards says', async (context) => {
    const { expect } = context;
    const contest = await Contest.begin(context, { renewal: 'worker', blockMs: 9_000 });
    await delay(300);
    contest.child.kill('SIGSTOP');
    await expect.poll(() => contest.gotAtMs).toBeDefined();
    const goesOnAtMs = nowMs();
    contest.child.kill('SIGCONT');
    const block = await contest.hear<Block>('blocked');
    expect(block.beganAtMs + (block.deadAfterMs ?? 0) + clockErrorMs).toBeGreaterThanOrEqual(goesOnAtMs);
    expect(block.liveAtEnd).toBe(false);
    expect(await contest.hear<Decided>('decided')).toMatchObject({ live: false, aborted: true });
    await contest.ends();
  });
});
