/**
 * A process that takes a lock and then blocks its event loop, run by the tests as another process. Tells in lines of
 * JSON what it sees, written so that no turn of the event loop is needed for them.
 */
import { writeSync } from 'node:fs';
import { openEtcd3Store } from '../../../src/etcd3/index.js';
import { Mutex } from '../../../src/locks/index.js';
import { Client } from '../../../src/session/index.js';

export interface BlockedProcessOptions {
  readonly endpoint: string;
  readonly namespace: string;
  readonly renewal: 'loop' | 'worker';
  readonly longestStallMs?: number;
  readonly ttlMs: number;
  readonly blockMs: number;
}

/** What it saw, without a turn of its event loop, while it was blocked and right after that. */
export interface Block {
  readonly event: 'blocked';
  /** When the block began, by the wall clock. */
  readonly beganAtMs: number;
  /** Of its clock, from the beginning of the block to the first check that said no; none: it was live throughout. */
  readonly deadAfterMs: number | undefined;
  readonly liveAtEnd: boolean;
  readonly state: string;
}

export interface Decided {
  readonly event: 'decided';
  readonly live: boolean;
  readonly aborted: boolean;
  readonly reason: string | undefined;
  /** Told by `onStall`. */
  readonly lateMs: number | undefined;
}

const tell = (event: object) => writeSync(1, `${JSON.stringify(event)}\n`);
const { endpoint, blockMs, ttlMs, namespace, ...renewal }: BlockedProcessOptions = JSON.parse(
  process.argv[2] ?? '',
);

const store = await openEtcd3Store({ hosts: endpoint, ...renewal });
const client = await Client.open({ store, namespace, ttlMs, closeStore: true });
let lateMs: number | undefined;
client.onStall((stall) => {
  lateMs = stall.lateMs;
});
const session = await client.session();
const hold = await new Mutex(client, 'line').acquire();
tell({ event: 'held' });

const cell = new Int32Array(new SharedArrayBuffer(4));
const beganAtMs = performance.timeOrigin + performance.now();
const startedAtMs = performance.now();
let deadAfterMs: number | undefined;
while (performance.now() - startedAtMs < blockMs) {
  if (deadAfterMs === undefined && !session.isLive()) deadAfterMs = performance.now() - startedAtMs;
  // Blocks the thread without using the processor, of which other tests need their share.
  Atomics.wait(cell, 0, 0, 5);
}
const liveAtEnd = session.isLive();
const { status } = session.state;
tell({ event: 'blocked', beganAtMs, deadAfterMs, liveAtEnd, state: status } satisfies Block);

await session.settled();
await new Promise((resolve) => setTimeout(resolve, 100));
const { state } = session;
tell({
  event: 'decided',
  live: session.isLive(),
  aborted: hold.signal.aborted,
  reason: state.status === 'lost' ? state.reason : undefined,
  lateMs,
} satisfies Decided);
await client.close();
tell({ event: 'closed' });
