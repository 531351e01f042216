import { describe, expect, it } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import type { KeyValue } from '../../src/store/index.js';
import { conflated, type Fact, type FactListener } from '../../src/watch/index.js';
import { putAt } from './scripted-store.js';

function presentAt(mod: number): Fact {
  const kv: KeyValue = putAt(mod).kv;
  return { status: 'present', kv, revision: mod };
}

/** A reader of the revisions at which the key was written; 0: absent. */
function scene() {
  const listeners = new Set<FactListener>();
  const controller = new AbortController();
  const follower = {
    listen: (listener: FactListener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const viewOf = (fact: Fact) => {
    if (fact.status === 'unknown') return undefined;
    return fact.status === 'present' ? fact.kv.modRevision : 0;
  };
  const isSame = (told: number, view: number) => told === view;
  const views = conflated({ follower, viewOf, isSame, end: controller.signal });
  const see = (...facts: readonly Fact[]) => {
    for (const fact of facts) for (const listener of listeners) listener.see(fact);
  };
  const fail = (error: QuorateError) => {
    for (const listener of listeners) listener.fail(error);
  };
  return { views, see, fail, listeners, controller };
}

const done = { value: undefined, done: true };
const unknown: Fact = { status: 'unknown', reason: 'cut' };

describe('conflated', () => {
  it('tells a reader who is slow the newest, and in the end the last', async () => {
    const { views, see } = scene();
    const first = views.next();
    see(presentAt(3));
    expect(await first).toEqual({ value: 3, done: false });
    see(presentAt(4), { status: 'absent', revision: 5 }, presentAt(6));
    expect((await views.next()).value).toBe(6);
    const next = views.next();
    see(presentAt(7), presentAt(8));
    expect((await next).value).toBe(8);
  });

  it('tells nothing twice, and what is to be told though nothing is to be told of what came after', async () => {
    const { views, see } = scene();
    const first = views.next();
    see(presentAt(3), unknown);
    expect((await first).value).toBe(3);
    see(unknown, presentAt(4), presentAt(3));
    const next = views.next();
    await Promise.resolve();
    see(presentAt(5));
    expect((await next).value).toBe(5);
    see({ status: 'absent', revision: 6 });
    expect((await views.next()).value).toBe(0);
  });

  it('throws what the follower fails with, after the last', async () => {
    const { views, see, fail, listeners } = scene();
    const first = views.next();
    see(presentAt(3));
    fail(new QuorateError('closed', 'over'));
    expect((await first).value).toBe(3);
    await expect(views.next()).rejects.toMatchObject({ code: 'closed' });
    expect(listeners.size).toBe(0);
  });

  it('ends with the signal, and listens no longer', async () => {
    const { views, listeners, controller } = scene();
    const waiting = views.next();
    expect(listeners.size).toBe(1);
    controller.abort();
    expect(await waiting).toEqual(done);
    expect(listeners.size).toBe(0);
  });
});
