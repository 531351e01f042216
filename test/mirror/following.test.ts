import { expect, it, onTestFinished } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import {
  type MirrorBatch,
  PrefixMirror,
  type PrefixMirrorOptions,
  type ProofAnswer,
} from '../../src/mirror/index.js';
import { sleep } from '../../src/runtime/index.js';
import type {
  CallOptions,
  KeyEvent,
  KeyValue,
  RangeRequest,
  RangeResult,
  Store,
  Watch,
  WatchItem,
} from '../../src/store/index.js';
import { ManualRuntime, settle } from '../support/manual-runtime.js';
import { eventsAt, putAt, type ScriptedWatch, scriptedStore } from '../watch/scripted-store.js';

type Answer = Pick<RangeResult, 'revision'> & { readonly kvs?: readonly KeyValue[]; readonly count?: number };

function kv(key: string, revision: number): KeyValue {
  return { ...putAt(revision, key).kv };
}

function answerOf(revision: number): ProofAnswer {
  return { revision, storeRevision: revision };
}

/** The writes of each key, counted as a store counts them. */
class Counted {
  readonly #lives = new Map<string, KeyValue>();
  #revision = 0;

  read(kvs: readonly KeyValue[], revision: number): void {
    this.#revision = revision + 1;
    this.#lives.clear();
    for (const each of kvs) this.#lives.set(each.key, each);
  }

  watch(inner: Watch): Watch {
    const lives = this.#lives;
    const count = ({ type, kv: written }: KeyEvent): KeyEvent => {
      // What comes twice is no other write.
      if (written.modRevision < this.#revision) return { type, kv: written };
      this.#revision = written.modRevision;
      const before = lives.get(written.key);
      lives.delete(written.key);
      if (type === 'delete') return { type, kv: written };
      const { createRevision, version } = before ?? { createRevision: written.modRevision, version: 0 };
      const counted = { ...written, createRevision, version: version + 1 };
      lives.set(written.key, counted);
      return { type, kv: counted };
    };
    return {
      close: () => inner.close(),
      async *[Symbol.asyncIterator]() {
        for await (const item of inner) {
          yield item.type === 'events' ? { ...item, events: item.events.map(count) } : item;
        }
      },
    };
  }
}

/** A mirror over a store whose reads are answered from a list, or not at all, and whose watches are fed by hand. */
function scripted(options: Partial<PrefixMirrorOptions<KeyValue>> = {}) {
  const runtime = new ManualRuntime();
  const { store, watches } = scriptedStore();
  const reads: RangeRequest[] = [];
  const answers: (Answer | QuorateError)[] = [];
  const timeouts: unknown[] = [];
  const counted = new Counted();
  const range = async (request: RangeRequest, { timeoutMs }: CallOptions = {}): Promise<RangeResult> => {
    reads.push(request);
    timeouts.push(timeoutMs);
    const answer = answers.shift();
    if (answer === undefined) return new Promise(() => {});
    if (answer instanceof QuorateError) throw answer;
    const { revision, kvs = [] } = answer;
    counted.read(kvs, revision);
    return { revision, kvs, count: answer.count ?? kvs.length, more: false };
  };
  const mirror = new PrefixMirror({
    ...{
      store: { range, watch: (request) => counted.watch(store.watch(request)) } as Store,
      runtime,
      prefix: 'k',
    },
    ...{ proveEveryMs: Number.POSITIVE_INFINITY, ...options },
  });
  onTestFinished(() => mirror.close());
  const batches: string[] = [];
  mirror.onBatch(({ type, revision, changes }: MirrorBatch<KeyValue>) => {
    batches.push(`${type} ${revision}: ${changes.map(({ key }) => key)}`);
  });
  const states: string[] = [];
  mirror.onState((state) =>
    states.push('error' in state ? `${state.status} ${state.error?.code}` : state.status),
  );
  const watch = (index: number): ScriptedWatch => {
    const found = watches[index];
    if (found === undefined) throw new Error(`no watch number ${index}`);
    return found;
  };
  return { runtime, mirror, reads, timeouts, answers, watches, watch, batches, states };
}

async function loaded(options: Partial<PrefixMirrorOptions<KeyValue>> = {}, revision = 5) {
  const all = scripted(options);
  all.answers.push({ revision, kvs: [kv('k', revision)] });
  await all.mirror.ready();
  await settle();
  await all.watch(0).push({ type: 'opened', revision });
  return all;
}

const cut: WatchItem = { type: 'interrupted', error: new QuorateError('unavailable', 'cut') };

it('asks for the watch from the revision after the one that it has read, to be resumed by revision', async () => {
  const { watch, mirror, batches, states } = await loaded();
  expect(watch(0).request).toMatchObject({ key: 'k', rangeEnd: 'l', fromRevision: 6, resume: 'revision' });
  await watch(0).push(eventsAt(6, 6, 8), cut, { type: 'opened', revision: 9 }, eventsAt(9));
  expect(mirror.revision).toBe(9);
  expect(batches).toEqual(['reset 5: k', 'revision 6: k', 'revision 8: k', 'revision 9: k']);
  expect(states).toEqual(['live', 'behind unavailable', 'live']);
});

it('REPLICA-1 puts together the events of a revision however they are split, and takes none in twice', async () => {
  const { watch, mirror, batches } = await loaded();
  const sizes: number[] = [];
  mirror.onBatch(() => sizes.push(mirror.size));
  await watch(0).push({
    type: 'events',
    revision: 7,
    events: [putAt(5, 'ka'), putAt(6, 'ka'), putAt(6, 'kb'), putAt(7, 'kc')],
  });
  expect(batches.slice(1)).toEqual(['revision 6: ka,kb', 'revision 7: kc']);
  expect(sizes).toEqual([3, 4]);
  await watch(0).push(eventsAt(6), eventsAt(7));
  expect(mirror.revision).toBe(7);
  expect(batches).toHaveLength(3);
});

it('a key that comes and goes within a revision is no change', async () => {
  const { watch, mirror, batches } = await loaded();
  const gone = { type: 'delete', kv: putAt(6, 'ka').kv } as const;
  await watch(0).push({ type: 'events', revision: 6, events: [putAt(6, 'ka'), gone] });
  expect(mirror.revision).toBe(6);
  expect(batches).toHaveLength(1);
});

it('REPLICA-1 a revision waits for what is to be kept of it, and those behind wait too', async () => {
  const made: (() => void)[] = [];
  const entryOf = (one: KeyValue) =>
    one.modRevision === 5 ? one : new Promise<KeyValue>((resolve) => made.push(() => resolve(one)));
  const { watch, mirror } = await loaded({ entryOf });
  await watch(0).push({ type: 'events', revision: 6, events: [putAt(6, 'ka'), putAt(6, 'kb')] }, eventsAt(7));
  // Those of a revision are made at the same time.
  expect([made.length, mirror.revision, mirror.size]).toEqual([2, 5, 1]);
  made.shift()?.();
  await settle();
  expect([made.length, mirror.revision, mirror.size]).toEqual([1, 5, 1]);
  made.shift()?.();
  await settle();
  expect([made.length, mirror.revision, mirror.size]).toEqual([1, 6, 3]);
  await mirror.close();
  made.shift()?.();
  await settle();
  expect(mirror.revision).toBe(6);
});

it('keeps what it has made of a write, and knows what was kept before', async () => {
  const calls: string[] = [];
  const entryOf = (one: KeyValue, before: KeyValue | undefined) => {
    calls.push(`${one.key} ${one.modRevision} after ${before?.modRevision}`);
    return one;
  };
  const { watch, answers, runtime } = await loaded({ entryOf });
  await watch(0).push(eventsAt(6));
  answers.push({ revision: 9, kvs: [kv('k', 6), { ...kv('ka', 9), createRevision: 8 }] });
  await watch(0).push({ type: 'compacted', fromRevision: 7, compactRevision: 8 });
  await runtime.advance(50);
  expect(calls).toEqual(['k 5 after undefined', 'k 6 after 5', 'ka 9 after undefined']);
});

it('REPLICA-1 does not go back to what an older member shows', async () => {
  const { watch, answers, runtime, mirror, states } = await loaded();
  await watch(0).push(eventsAt(6));
  answers.push({ revision: 4, kvs: [] }, { revision: 8, kvs: [] });
  await watch(0).push({ type: 'compacted', fromRevision: 7, compactRevision: 8 });
  await settle();
  expect([mirror.revision, mirror.size]).toEqual([6, 1]);
  expect(states.at(-1)).toBe('behind unavailable');
  await runtime.advance(15_000);
  expect([mirror.revision, mirror.size]).toEqual([8, 0]);
});

it('gives a member that does not answer little time, and the next attempt more', async () => {
  const { runtime, mirror, answers, timeouts } = scripted();
  const late = () => new QuorateError('timeout', 'late');
  answers.push(late(), new QuorateError('unavailable', 'away'), late(), late(), late(), late(), {
    revision: 5,
  });
  const ready = mirror.ready();
  await runtime.advance(10_000);
  await ready;
  expect(timeouts).toEqual([2_000, 4_000, 4_000, 8_000, 16_000, 16_000, 16_000]);
});

it('goes on through what passes, and ends with what stays while nothing is loaded', async () => {
  const denied = new QuorateError('permission-denied', 'no');
  const first = scripted();
  first.answers.push(new QuorateError('unavailable', 'away'), denied);
  const ready = first.mirror.ready();
  ready.catch(() => {});
  await first.runtime.advance(1_000);
  await expect(ready).rejects.toBe(denied);
  expect(first.states).toEqual(['loading unavailable', 'ended permission-denied']);
  await expect(first.mirror.ready()).rejects.toBe(denied);
  const { watch, watches, mirror, runtime, states } = await loaded();
  await watch(0).push({ error: denied });
  expect(mirror.state).toMatchObject({ status: 'behind', error: denied });
  await runtime.advance(10_000);
  expect(watches).toHaveLength(2);
  await watch(1).push({ type: 'opened', revision: 9 }, eventsAt(10));
  expect(mirror).toMatchObject({ revision: 10, state: { status: 'live' } });
  await watch(1).push('end');
  expect(states.at(-1)).toBe('ended closed');
});

it('REPLICA-3 a watch that does not bring what there is is opened anew', async () => {
  let stamp = 5;
  const proof = async () => answerOf(stamp);
  const { runtime, mirror, watch, watches, states } = await loaded({ proof });
  await runtime.advance(20_000);
  // Silence is no stall as long as there is nothing to tell.
  expect(await mirror.sync()).toBe(5);
  await runtime.advance(20_000);
  expect(watches).toHaveLength(1);
  stamp = 7;
  const syncing = mirror.sync();
  await runtime.advance(4_000);
  expect(watches).toHaveLength(1);
  await runtime.advance(2_000);
  expect(watch(0).closed).toBe(true);
  expect(watch(1).request.fromRevision).toBe(6);
  expect(states.at(-1)).toBe('behind unavailable');
  await watch(1).push({ type: 'opened', revision: 9 }, eventsAt(7));
  expect(await syncing).toBe(7);
  await runtime.advance(60_000);
  expect(watches).toHaveLength(2);
  expect(runtime.timerCount).toBe(0);
});

it('a watch that is cut is left to its store, however long that takes', async () => {
  const { runtime, mirror, watch, watches } = await loaded({ proof: async () => answerOf(7) });
  await watch(0).push(cut);
  const syncing = mirror.sync();
  await runtime.advance(60_000);
  expect(watches).toHaveLength(1);
  await watch(0).push({ type: 'opened', revision: 9 }, eventsAt(7));
  expect(await syncing).toBe(7);
});

it('REPLICA-3 the staleness counts from the moment at which a proof was sent, by the clock that counts most', async () => {
  const answers: ((answer: ProofAnswer) => void)[] = [];
  const proof = () => new Promise<ProofAnswer>((resolve) => answers.push(resolve));
  const { runtime, mirror, watch } = await loaded({ proof, proveEveryMs: 1_000 });
  const bare = scripted();
  expect(bare.mirror.stalenessMs).toBe(Number.POSITIVE_INFINITY);
  expect(mirror.stalenessMs).toBe(0);
  await runtime.advance(1_300);
  expect(mirror.stalenessMs).toBeCloseTo(1_300, 6);
  expect(answers).toHaveLength(1);
  answers.shift()?.(answerOf(7));
  await settle();
  // It is not there yet.
  expect(mirror.stalenessMs).toBeCloseTo(1_300, 6);
  await runtime.advance(200);
  await watch(0).push(eventsAt(7));
  const since = mirror.stalenessMs;
  expect(since).toBeGreaterThan(200);
  expect(since).toBeLessThanOrEqual(200 + 550);
  runtime.sleepMachine();
  await runtime.advance(90_000);
  runtime.wakeMachine();
  expect(mirror.stalenessMs).toBeGreaterThan(90_000);
});

it('a refused proof is told to who asks, and asked again', async () => {
  const denied = new QuorateError('permission-denied', 'no');
  let refuse = true;
  const proof = async () => {
    if (refuse) throw denied;
    return answerOf(5);
  };
  const { runtime, mirror } = await loaded({ proof, proveEveryMs: 1_000 });
  await expect(mirror.sync()).rejects.toBe(denied);
  await runtime.advance(5_000);
  expect(mirror.stalenessMs).toBeGreaterThan(4_000);
  refuse = false;
  await runtime.advance(3_000);
  expect(mirror.stalenessMs).toBeLessThan(1_500);
});

it('REPLICA-7 what is too much is looked at ever more seldom, and at once when there is a sign that it is less', async () => {
  let stamp = 7;
  const options = { maxEntries: 1, proof: async () => answerOf(stamp), proveEveryMs: 1_000 };
  const { runtime, mirror, reads, answers, watch, states } = await loaded(options);
  const full = { revision: 7, kvs: [kv('k', 5), kv('ka', 7)] };
  answers.push(...Array.from({ length: 30 }, () => full));
  await watch(0).push({ type: 'events', revision: 7, events: [putAt(7, 'ka')] });
  await runtime.advance(65_000);
  expect(states.at(-1)).toBe('behind over-limit');
  const looks = reads.length;
  expect(looks).toBeLessThan(15);
  // That it is at the revision at which it was too much is no sign.
  const waiting = mirror.reach(7);
  await runtime.advance(3_000);
  expect(reads.length).toBeLessThanOrEqual(looks + 1);
  answers.splice(0, answers.length, { revision: 9, kvs: [kv('k', 9)] });
  stamp = 9;
  await runtime.advance(2_000);
  expect([mirror.revision, mirror.size]).toEqual([9, 1]);
  expect(await waiting).toBe(9);
});

it('REPLICA-7 looks at what is too many bytes for a tenth of its time at most', async () => {
  const runtime = new ManualRuntime();
  const { store, watches } = scriptedStore();
  const large = { ...kv('ka', 7), value: new Uint8Array(1_000) };
  let isFull = false;
  let busyMs = 0;
  const range = async (_request: RangeRequest): Promise<RangeResult> => {
    if (!isFull) return { revision: 5, kvs: [kv('k', 5)], count: 1, more: false };
    busyMs += 1_500;
    await sleep(runtime, 1_500);
    return { revision: 7, kvs: [kv('k', 5), large], count: 2, more: false };
  };
  const mirror = new PrefixMirror({
    ...{ store: { range, watch: (request) => store.watch(request) } as Store, runtime, prefix: 'k' },
    ...{ maxBytes: 500, proveEveryMs: Number.POSITIVE_INFINITY },
  });
  onTestFinished(() => mirror.close());
  await mirror.ready();
  await settle();
  isFull = true;
  await watches[0]?.push({ type: 'events', revision: 7, events: [{ type: 'put', kv: large }] });
  for (let revision = 8; revision < 308; revision += 1) {
    // Somebody writes all the time.
    mirror.reach(revision).catch(() => {});
    await runtime.advance(1_000);
  }
  expect(busyMs).toBeGreaterThan(1_500);
  expect(busyMs).toBeLessThan(300_000 / 8);
});
