import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { Condition } from '../../src/locks/condition.js';
import { type LockEvent, Mutex } from '../../src/locks/index.js';
import { MemoryServer } from '../../src/memory/index.js';
import { Client, type ClientOptions } from '../../src/session/index.js';
import { prefixRange, remove, type Store, type TxnReply } from '../../src/store/index.js';
import { hookedStore } from '../support/hooked-store.js';
import { ManualRuntime } from '../support/manual-runtime.js';

const watchHoldAfterMs = 250;

async function openMember(store: Store, options: Partial<ClientOptions> = {}) {
  const client = await Client.open({ store, namespace: 'n', ttlMs: 60_000, ...options });
  onTestFinished(() => client.close());
  await client.session();
  const mutex = new Mutex(client, 'm', { watchHoldAfterMs });
  const events: LockEvent['type'][] = [];
  mutex.onEvent(({ type }) => events.push(type));
  return { client, mutex, condition: new Condition(mutex, 'ready'), events };
}

/** One whose clock is moved by hand and whose transactions are told how they go, and another. */
async function two() {
  const server = new MemoryServer();
  const runtime = new ManualRuntime();
  const hooked = hookedStore(server.connect());
  const one = await openMember(hooked.store, { runtime });
  const other = await openMember(server.connect(), { label: 'other' });
  /** Until the hold has begun to be watched, and what the watch had to tell is told. */
  const watched = async () => {
    const endMs = runtime.monotonicMs() + watchHoldAfterMs + 200;
    while (runtime.monotonicMs() < endMs) await delay(1);
  };
  /** The next transaction goes as `run` has it; all after it, and it itself where it is sent again, wait for that. */
  const interrupt = (run: (send: () => Promise<TxnReply>) => Promise<TxnReply>) => {
    let first: Promise<TxnReply> | undefined;
    hooked.hook = async (_request, send) => {
      if (first === undefined) {
        first = run(send);
        return first;
      }
      await first.catch(() => {});
      return send();
    };
  };
  return { server, runtime, one, other, watched, interrupt };
}

function count(server: MemoryServer, prefix: string): number {
  return server.engine.range({ ...prefixRange(prefix), countOnly: true }).count;
}

/** Lets the time of a machine pass until it has settled. */
async function passing<T>(runtime: ManualRuntime, promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const settle = () => {
    isSettled = true;
  };
  promise.then(settle, settle);
  while (!isSettled) {
    await runtime.advance(5);
    await delay(1);
  }
  return promise;
}

describe('a lock that is given away', () => {
  it.each(['late', 'lost'])(
    'LOCK-10 is not lost where the hold begins to be watched before a reply that is %s',
    async (fate) => {
      const { server, runtime, one, other, watched, interrupt } = await two();
      const hold = await one.mutex.acquire();
      const done = other.mutex.acquire().then((handed) => handed.release());
      await expect.poll(() => count(server, 'n/lock/m/l/')).toBe(2);
      interrupt(async (send) => {
        const reply = await send();
        // The other has it, and is done with it.
        await done;
        await watched();
        if (fate === 'late') return reply;
        throw new QuorateError('unavailable', 'the reply was lost', { outcome: 'unknown' });
      });
      expect(await passing(runtime, hold.handOff('other'))).toBe(true);
      expect(hold.signal.aborted).toBe(false);
      expect(one.events).toEqual(['acquired', 'handed-off']);
      expect(other.events.filter((type) => type !== 'queued')).toEqual(['acquired', 'released']);
    },
  );

  it.each([
    ['callers', {}],
    ['an owner', { owner: 'a' }],
  ])(
    'CONDITION-1 by a wait is not lost where the hold of %s begins to be watched before the reply',
    async (_who, options) => {
      const { server, runtime, one, other, watched, interrupt } = await two();
      const hold = await one.mutex.acquire(options);
      interrupt(async (send) => {
        const reply = await send();
        await watched();
        return reply;
      });
      const waiting = passing(runtime, one.condition.wait(hold));
      await expect.poll(() => count(server, 'n/condition/')).toBe(1);
      await other.mutex.runExclusive((held) => other.condition.notify(held));
      const back = await waiting;
      expect(hold.signal.aborted).toBe(false);
      expect(one.events).not.toContain('lost');
      expect(back.isHeld).toBe(true);
      await back.release();
    },
  );

  it('LOCK-6 to one who has just gone stays with its holder, who is told if somebody deletes it', async () => {
    const { server, runtime, one, other, watched, interrupt } = await two();
    const hold = await one.mutex.acquire();
    const impatience = new AbortController();
    const waiting = other.mutex.acquire({ signal: impatience.signal });
    const gone = expect(waiting).rejects.toMatchObject({ code: 'aborted' });
    await expect.poll(() => count(server, 'n/lock/m/l/')).toBe(2);
    interrupt(async (send) => {
      // It was seen to wait, and gives up; and the time comes at which the hold is to be watched.
      impatience.abort();
      await gone;
      await expect.poll(() => count(server, 'n/lock/m/l/')).toBe(1);
      await watched();
      return send();
    });
    expect(await passing(runtime, hold.handOff('other'))).toBe(false);
    expect(hold.isHeld).toBe(true);
    const told = new Promise((resolve) => hold.signal.addEventListener('abort', resolve, { once: true }));
    const { key } = hold.guard();
    await other.client.store.txn({ compare: [], success: [remove(key)], failure: [] });
    await passing(runtime, told);
    expect(hold.signal.reason).toMatchObject({ code: 'hold-lost' });
    expect(one.events).toEqual(['acquired', 'lost']);
  });
});
