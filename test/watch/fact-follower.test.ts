import { describe, expect, it } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import type { KeyEvent, KeyValue, RangeResult, Store, WatchItem } from '../../src/store/index.js';
import { type Fact, FactFollower, type FactState, WatchHub } from '../../src/watch/index.js';
import { ManualRuntime, settle } from '../support/manual-runtime.js';
import { putAt, type ScriptedWatch, scriptedStore } from './scripted-store.js';

const recheckMs = 10_000;

function kvAt(mod: number, created = mod): KeyValue {
  return { ...putAt(mod).kv, createRevision: created };
}

function deletedAt(revision: number): KeyEvent {
  return { type: 'delete', kv: { ...kvAt(revision, 0), version: 0 } };
}

function told(...events: readonly KeyEvent[]): WatchItem {
  return { type: 'events', revision: events.at(-1)?.kv.modRevision ?? 0, events };
}

/** A follower whose reads the test answers by hand, one after the other. */
function scene(options: { recheckMs?: number } = { recheckMs }, heedsSignals = true) {
  const runtime = new ManualRuntime();
  const { store: watching, watches } = scriptedStore();
  const reads: {
    answer(revision: number, kv?: KeyValue): Promise<void>;
    fail(error: unknown): Promise<void>;
  }[] = [];
  const range: Store['range'] = (_request, { signal } = {}) =>
    new Promise<RangeResult>((resolve, reject) => {
      const giveUp = () => reject(new QuorateError('aborted', 'given up'));
      if (signal?.aborted) return giveUp();
      if (heedsSignals) signal?.addEventListener('abort', giveUp);
      reads.push({
        answer: async (revision, kv) => {
          const kvs = kv === undefined ? [] : [kv];
          resolve({ revision, kvs, count: kvs.length, more: false });
          await settle();
        },
        fail: async (error) => {
          reject(error);
          await settle();
        },
      });
    });
  const store = { ...watching, range };
  const hub = new WatchHub(store, runtime, { lingerMs: 1_000 });
  const follower = new FactFollower({ hub, store, runtime, key: 'k', ...options });
  const watch = (index = 0): ScriptedWatch => {
    const found = watches[index];
    if (found === undefined) throw new Error(`no watch number ${index}`);
    return found;
  };
  const read = (index: number) => {
    const found = reads[index];
    if (found === undefined) throw new Error(`no read number ${index}`);
    return found;
  };
  const listen = () => {
    const heard: string[] = [];
    const stop = follower.listen({
      see: (fact) => heard.push(brief(fact)),
      fail: ({ code }) => heard.push(`failed ${code}`),
    });
    return { heard, stop };
  };
  return { runtime, follower, watch, watches, reads, read, listen };
}

function brief(fact: Fact): string {
  if (fact.status === 'present') return `present ${fact.kv.modRevision} at ${fact.revision}`;
  return fact.status === 'absent' ? `absent at ${fact.revision}` : 'unknown';
}

const cut = { type: 'interrupted', error: new Error('cut') } as const;

describe('FactFollower', () => {
  it('reads the key when the watch has opened, and is told of every change since, in order', async () => {
    const { listen, watch, read, reads, follower } = scene();
    const { heard } = listen();
    expect(follower.known).toMatchObject({ status: 'unknown' });
    await watch().push({ type: 'opened', revision: 5 });
    await read(0).answer(6, kvAt(3));
    expect(heard).toEqual(['present 3 at 6']);
    await watch().push(told(deletedAt(7), putAt(8)), told(deletedAt(9)));
    expect(heard).toEqual(['present 3 at 6', 'absent at 7', 'present 8 at 8', 'absent at 9']);
    expect(follower.known).toEqual({ status: 'absent', revision: 9 });
    expect(reads.length).toBe(1);
  });

  it('WATCH-3 never goes back: what is older than what is known says nothing', async () => {
    const { listen, watch, read } = scene();
    const { heard } = listen();
    await watch().push({ type: 'opened', revision: 5 });
    await watch().push(told(deletedAt(8)));
    await read(0).answer(7, kvAt(3));
    expect(heard).toEqual(['absent at 8']);
    await watch().push(cut, { type: 'opened', revision: 10 });
    await read(1).answer(12, kvAt(12));
    await watch().push(told(deletedAt(11)));
    expect(heard).toEqual(['absent at 8', 'unknown', 'present 12 at 12']);
  });

  it('WATCH-2 a cut is told as unknown, and then the key is read again', async () => {
    const { listen, watch, read, reads, follower } = scene();
    const { heard } = listen();
    await watch().push({ type: 'opened', revision: 5 });
    await read(0).answer(5, kvAt(3));
    await watch().push(cut);
    expect(heard).toEqual(['present 3 at 5', 'unknown']);
    expect(follower.known).toEqual({ status: 'unknown', reason: 'cut' });
    expect(reads.length).toBe(1);
    await watch().push({ type: 'opened', revision: 9 });
    await read(1).answer(9);
    expect(heard).toEqual(['present 3 at 5', 'unknown', 'absent at 9']);
  });

  it('needs no read where nothing has happened since what is known', async () => {
    const { listen, follower, watch, reads } = scene();
    follower.learn(kvAt(4), 6);
    const { heard } = listen();
    expect(heard).toEqual([]);
    await watch().push({ type: 'opened', revision: 6 });
    expect(heard).toEqual(['present 4 at 6']);
    await watch().push(cut, { type: 'opened', revision: 6 });
    expect(heard).toEqual(['present 4 at 6', 'unknown', 'present 4 at 6']);
    expect(reads.length).toBe(0);
  });

  it('shares a read that was not sent yet, and no other', async () => {
    const { follower, read, reads } = scene();
    const first = follower.read();
    const [second, third] = [follower.read(), follower.read()];
    expect(reads.length).toBe(1);
    await read(0).answer(5);
    expect(await first).toEqual({ status: 'absent', revision: 5 });
    expect(reads.length).toBe(2);
    const fourth = follower.read();
    await read(1).answer(6, kvAt(6));
    expect(await second).toEqual(await third);
    await read(2).answer(7, kvAt(6));
    expect(await fourth).toMatchObject({ revision: 7 });
    expect(reads.length).toBe(3);
  });

  it('repeats a read while the store is away, and gives up what nobody waits for', async () => {
    const { follower, read, reads, runtime } = scene();
    const controller = new AbortController();
    const wanted = follower.read({ signal: controller.signal });
    await read(0).fail(new QuorateError('unavailable', 'away'));
    await runtime.advance(2_000);
    expect(reads.length).toBe(2);
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(wanted).rejects.toBe(reason);
    await settle();
    await runtime.advance(60_000);
    expect(reads.length).toBe(2);
    expect(runtime.timerCount).toBe(0);
    const again = follower.read();
    again.catch(() => {});
    await read(2).fail(new QuorateError('permission-denied', 'no'));
    await expect(again).rejects.toMatchObject({ code: 'permission-denied' });
    await expect(follower.read({ signal: controller.signal })).rejects.toBe(reason);
  });

  it('sends a read for who asks for it when all who had asked before it was sent have gone', async () => {
    const { follower, read, reads } = scene();
    const first = follower.read();
    const controller = new AbortController();
    const gone = follower.read({ signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(gone).rejects.toThrow('enough');
    const later = follower.read();
    await read(0).answer(5);
    expect(await first).toEqual({ status: 'absent', revision: 5 });
    expect(reads.length).toBe(2);
    await read(1).answer(6, kvAt(6));
    expect(await later).toMatchObject({ status: 'present', revision: 6 });
  });

  it('sends no read that nobody waits for any more when its turn has come', async () => {
    const { follower, read, reads } = scene();
    const first = follower.read();
    const controller = new AbortController();
    const gone = follower.read({ signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(gone).rejects.toThrow('enough');
    await read(0).answer(5);
    await first;
    expect(reads.length).toBe(1);
    const later = follower.read();
    await read(1).answer(7);
    expect(await later).toEqual({ status: 'absent', revision: 7 });
  });

  it('reads about once a TTL against a watch that is silent', async () => {
    const { listen, watch, read, reads, runtime } = scene();
    const { heard, stop } = listen();
    await watch().push({ type: 'opened', revision: 5 });
    await read(0).answer(5, kvAt(3));
    await runtime.advance(recheckMs * 1.25);
    expect(reads.length).toBe(2);
    await read(1).answer(9);
    expect(heard).toEqual(['present 3 at 5', 'absent at 9']);
    stop();
    await runtime.advance(recheckMs * 3);
    expect(reads.length).toBe(2);
    expect(runtime.timerCount).toBe(0);
    expect(watch().closed).toBe(true);
  });

  it('reads nothing of its own accord where no recheck is asked for', async () => {
    const { listen, watch, read, reads, runtime } = scene({});
    const { heard } = listen();
    await watch().push({ type: 'opened', revision: 5 });
    await read(0).answer(5, kvAt(3));
    await runtime.advance(recheckMs * 100);
    expect(reads.length).toBe(1);
    expect(runtime.timerCount).toBe(0);
    await watch().push(told(putAt(7)));
    expect(heard).toEqual(['present 3 at 5', 'present 7 at 7']);
  });

  it('gives up its own read with the watch, so that the next one waits behind none that is stuck', async () => {
    const { listen, watch, read, reads, follower } = scene();
    const { heard } = listen();
    await watch().push({ type: 'opened', revision: 5 });
    await watch().push(cut);
    await watch().push({ type: 'opened', revision: 6 });
    expect(reads.length).toBe(2);
    await read(1).answer(6, kvAt(6));
    expect(heard).toEqual(['unknown', 'present 6 at 6']);
    // Somebody else wants this one.
    const asked = follower.read();
    await watch().push(cut, { type: 'opened', revision: 8 });
    expect(reads.length).toBe(3);
    await read(2).answer(8, kvAt(6));
    expect(await asked).toMatchObject({ revision: 8 });
    expect(reads.length).toBe(4);
  });

  it('does not tell after a cut what a read brings that was given up for it', async () => {
    const { listen, watch, read } = scene({ recheckMs }, false);
    const { heard } = listen();
    await watch().push({ type: 'opened', revision: 5 });
    await watch().push(cut);
    await read(0).answer(5, kvAt(3));
    expect(heard).toEqual(['unknown']);
    await watch().push({ type: 'opened', revision: 6 });
    await read(1).answer(6, kvAt(3));
    expect(heard).toEqual(['unknown', 'present 3 at 6']);
  });

  it('serves many from one watch, and tells who comes later what is known', async () => {
    const { listen, watch, watches, read } = scene();
    const first = listen();
    await watch().push({ type: 'opened', revision: 5 });
    await read(0).answer(5, kvAt(3));
    const second = listen();
    expect(second.heard).toEqual(['present 3 at 5']);
    expect(watches.length).toBe(1);
    first.stop();
    await watch().push(told(deletedAt(6)));
    expect(first.heard).toEqual(['present 3 at 5']);
    expect(second.heard).toEqual(['present 3 at 5', 'absent at 6']);
    second.stop();
    const third = listen();
    // What was missed in between nobody knows.
    expect(third.heard).toEqual(['absent at 6']);
    await watch().push(told(putAt(7)));
    expect(third.heard).toEqual(['absent at 6', 'present 7 at 7']);
  });

  it('until resolves with the first decision, in the order of revisions, and leaves nothing behind', async () => {
    const { follower, watch, read, runtime } = scene();
    const seen: number[] = [];
    const controller = new AbortController();
    const { signal } = controller;
    const decide = (state: FactState) => {
      seen.push(state.revision);
      return state.status === 'absent' ? state.revision : undefined;
    };
    const waiting = follower.until(decide, { signal });
    await watch().push({ type: 'opened', revision: 5 });
    await read(0).answer(5, kvAt(3));
    await watch().push(cut);
    const given = follower.until(() => undefined, { signal });
    await watch().push({ type: 'opened', revision: 8 });
    await read(1).answer(8, kvAt(3));
    await watch().push(told(putAt(9), deletedAt(10), putAt(11)));
    expect(await waiting).toBe(10);
    expect(seen).toEqual([5, 8, 9, 10]);
    const thrown = follower.until(
      () => {
        throw new Error('cannot say');
      },
      { signal },
    );
    await expect(thrown).rejects.toThrow('cannot say');
    controller.abort(new Error('enough'));
    await expect(given).rejects.toThrow('enough');
    await expect(follower.until(() => 1, { signal })).rejects.toThrow('enough');
    await runtime.advance(1_001);
    expect(watch().closed).toBe(true);
    expect(runtime.timerCount).toBe(0);
  });

  it('a watch or a read that can never go on is told as that, and the next one begins anew', async () => {
    const { follower, listen, watch, read } = scene();
    const { signal } = new AbortController();
    const waiting = follower.until(() => undefined, { signal });
    waiting.catch(() => {});
    const { heard } = listen();
    await watch().push({ error: new QuorateError('permission-denied', 'no') });
    await expect(waiting).rejects.toMatchObject({ code: 'permission-denied' });
    expect(heard).toEqual(['failed permission-denied']);
    const again = follower.until((state) => state.status, { signal });
    again.catch(() => {});
    await watch(1).push({ type: 'opened', revision: 5 });
    await read(0).fail(new QuorateError('unauthenticated', 'who?'));
    await expect(again).rejects.toMatchObject({ code: 'unauthenticated' });
    expect(follower.known.status).toBe('unknown');
  });
});
