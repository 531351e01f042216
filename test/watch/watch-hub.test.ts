import { afterEach, describe, expect, it, vi } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { type HubItem, type Subscription, WatchHub } from '../../src/watch/index.js';
import { ManualRuntime, settle } from '../support/manual-runtime.js';
import { eventsAt, type ScriptedWatch, scriptedStore } from './scripted-store.js';

function open(options: { lingerMs?: number } = {}) {
  const runtime = new ManualRuntime();
  const { store, watches, refuseWith } = scriptedStore();
  const hub = new WatchHub(store, runtime, options);
  const watch = (index: number): ScriptedWatch => {
    const found = watches[index];
    if (found === undefined) throw new Error(`no watch number ${index}`);
    return found;
  };
  /** Subscribes and notes each item in short: `opened 5`, `events 6,7`, `interrupted`, `failed closed`. */
  const listen = (request: Parameters<WatchHub['subscribe']>[0] = { key: 'k' }) => {
    const heard: string[] = [];
    const subscription = hub.subscribe(request, (item) => heard.push(brief(item)));
    return { heard, subscription };
  };
  return { runtime, hub, watches, watch, listen, refuseWith };
}

function brief(item: HubItem): string {
  switch (item.type) {
    case 'opened':
      return `opened ${item.revision}`;
    case 'events':
      return `events ${item.events.map((event) => event.kv.modRevision)}`;
    case 'interrupted':
      return 'interrupted';
    case 'failed':
      return `failed ${item.error.code}`;
  }
}

const cut = { type: 'interrupted', error: new Error('cut') } as const;

describe('sharing', () => {
  it('puts subscribers of the same range and filters on one watch, from now', async () => {
    const { listen, watches, watch, hub } = open();
    const request = { key: 'a', rangeEnd: 'b', without: ['put'], prevKv: true } as const;
    const [first, second] = [listen(request), listen({ ...request })];
    expect(watches.length).toBe(1);
    expect(hub.watchCount).toBe(1);
    expect(watch(0).request).toEqual({ ...request, resume: 'now' });
    await watch(0).push({ type: 'opened', revision: 5 }, eventsAt(6, 7));
    expect(first.heard).toEqual(['opened 5', 'events 6,7']);
    expect(second.heard).toEqual(first.heard);
  });

  it('keeps other ranges, filters and previous values apart', () => {
    const { listen, watches } = open();
    listen({ key: 'a' });
    listen({ key: 'a', rangeEnd: 'b' });
    listen({ key: 'a', without: ['put'] });
    listen({ key: 'a', without: ['delete'] });
    listen({ key: 'a', prevKv: true });
    expect(watches.length).toBe(5);
    listen({ key: 'a', prevKv: false });
    listen({ key: 'a', without: [] });
    listen({ key: 'a', without: ['put', 'put'] });
    expect(watches.length).toBe(5);
  });

  it('WATCH-1 greets a late subscriber before subscribe returns, with the highest revision delivered', async () => {
    const { listen, watch } = open();
    listen();
    await watch(0).push({ type: 'opened', revision: 5 });
    expect(listen().heard).toEqual(['opened 5']);
    await watch(0).push(eventsAt(6, 9));
    const late = listen();
    expect(late.heard).toEqual(['opened 9']);
    await watch(0).push(eventsAt(10));
    expect(late.heard).toEqual(['opened 9', 'events 10']);
  });

  it('tells how long the watch has stood open', async () => {
    const { listen, watch, runtime } = open();
    const { subscription } = listen();
    expect(subscription.ageMs).toBe(0);
    await watch(0).push({ type: 'opened', revision: 5 });
    await runtime.advance(70);
    expect(subscription.ageMs).toBe(70);
    expect(listen().subscription.ageMs).toBe(70);
    await watch(0).push(cut);
    expect(subscription.ageMs).toBe(0);
    await watch(0).push({ type: 'opened', revision: 6 });
    await runtime.advance(30);
    expect(subscription.ageMs).toBe(30);
    subscription.close();
    expect(subscription.ageMs).toBe(0);
  });
});

describe('lingering', () => {
  it('outlives the last subscriber for a while, and serves who comes then', async () => {
    const { listen, watch, runtime, watches, hub } = open({ lingerMs: 1_000 });
    const first = listen();
    await watch(0).push({ type: 'opened', revision: 5 });
    first.subscription.close();
    await runtime.advance(900);
    const second = listen();
    expect(second.heard).toEqual(['opened 5']);
    await runtime.advance(2_000);
    expect(watch(0).closed).toBe(false);
    second.subscription.close();
    second.subscription.close();
    await runtime.advance(1_001);
    expect(watch(0).closed).toBe(true);
    expect(hub.watchCount).toBe(0);
    expect(runtime.timerCount).toBe(0);
    listen();
    expect(watches.length).toBe(2);
  });

  it('does not reopen for nobody', async () => {
    const { listen, watch, runtime, hub } = open();
    const { subscription } = listen();
    await watch(0).push({ type: 'opened', revision: 5 });
    subscription.close();
    await watch(0).push(cut);
    expect(watch(0).closed).toBe(true);
    expect(hub.watchCount).toBe(0);
    expect(runtime.timerCount).toBe(0);
  });
});

describe('cuts', () => {
  it('WATCH-2 a cut is told as such, then the reopening; nothing is taken for news', async () => {
    const { listen, watch, watches } = open();
    const { heard } = listen();
    await watch(0).push({ type: 'opened', revision: 5 }, cut);
    const late = listen();
    expect(late.heard).toEqual([]);
    await watch(0).push({ type: 'opened', revision: 9 }, eventsAt(10));
    expect(heard).toEqual(['opened 5', 'interrupted', 'opened 9', 'events 10']);
    expect(late.heard).toEqual(['opened 9', 'events 10']);
    expect(watches.length).toBe(1);
  });

  it('WATCH-3 revisions never go back, even if a member that lags reopens it', async () => {
    const { listen, watch } = open();
    const { heard } = listen();
    await watch(0).push({ type: 'opened', revision: 5 }, eventsAt(6, 8), cut);
    await watch(0).push({ type: 'opened', revision: 6 }, eventsAt(7, 8), eventsAt(8, 9));
    expect(heard).toEqual(['opened 5', 'events 6,8', 'interrupted', 'opened 8', 'events 9']);
  });

  it('a compaction is a cut: the watch is opened anew, from now, and not in a tight loop', async () => {
    const { listen, watch, watches, runtime } = open();
    const { heard } = listen();
    const compacted = { type: 'compacted', fromRevision: 6, compactRevision: 8 } as const;
    await watch(0).push({ type: 'opened', revision: 5 }, compacted, 'end');
    expect(watches.length).toBe(1);
    await runtime.advance(1_000);
    expect(watches.length).toBe(2);
    expect(watch(1).request).toEqual({ key: 'k', resume: 'now' });
    await watch(1).push({ type: 'opened', revision: 9 });
    expect(heard).toEqual(['opened 5', 'interrupted', 'opened 9']);
    // A store that only ever says so is asked ever less often.
    for (let turn = 0; turn < 200; turn += 1) {
      const last = watches.at(-1);
      if (last !== undefined && !last.closed) await last.push(compacted, 'end');
      await runtime.advance(50);
    }
    expect(watches.length).toBeGreaterThan(5);
    expect(watches.length).toBeLessThan(60);
  });
});

describe('failure', () => {
  it('of the watch is told to all, and a new subscription tries anew', async () => {
    const { listen, watch, watches, hub } = open();
    const [first, second] = [listen(), listen()];
    await watch(0).push({ type: 'opened', revision: 5 });
    await watch(0).push({ error: new QuorateError('permission-denied', 'no') });
    expect(first.heard).toEqual(['opened 5', 'failed permission-denied']);
    expect(second.heard).toEqual(first.heard);
    expect(hub.watchCount).toBe(0);
    listen();
    expect(watches.length).toBe(2);
  });

  it('lets a subscriber subscribe anew from within', async () => {
    const { hub, watch, watches } = open();
    const heard: string[] = [];
    hub.subscribe({ key: 'k' }, (item) => {
      if (item.type === 'failed') hub.subscribe({ key: 'k' }, (again) => heard.push(brief(again)));
    });
    await watch(0).push({ error: new Error('not a coded one') });
    expect(watches.length).toBe(2);
    await watch(1).push({ type: 'opened', revision: 7 });
    expect(heard).toEqual(['opened 7']);
  });

  it('of an unforeseen kind is coded as internal, and an end without a reason as closed', async () => {
    const { listen, watch } = open();
    const first = listen();
    await watch(0).push({ error: new TypeError('oops') });
    expect(first.heard).toEqual(['failed internal']);
    const second = listen();
    await watch(1).push('end');
    expect(second.heard).toEqual(['failed closed']);
  });

  it('of store.watch itself comes after subscribe has returned', async () => {
    const { hub, refuseWith } = open();
    refuseWith.error = new QuorateError('closed', 'store closed');
    let subscription: Subscription | undefined;
    const toldBefore: boolean[] = [];
    subscription = hub.subscribe({ key: 'k' }, () => toldBefore.push(subscription === undefined));
    await settle();
    expect(toldBefore).toEqual([false]);
    expect(hub.watchCount).toBe(0);
  });

  it('refuses a linger that makes no sense', () => {
    for (const lingerMs of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => open({ lingerMs })).toThrowError(expect.objectContaining({ code: 'invalid-argument' }));
    }
  });
});

describe('listeners', () => {
  const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  afterEach(() => emitWarning.mockClear());

  it('that throw hurt nobody, and are reported', async () => {
    const { hub, listen, watch } = open();
    hub.subscribe({ key: 'k' }, () => {
      throw new Error('mine');
    });
    const { heard } = listen();
    await watch(0).push({ type: 'opened', revision: 5 }, eventsAt(6));
    expect(heard).toEqual(['opened 5', 'events 6']);
    expect(() =>
      hub.subscribe({ key: 'k' }, () => {
        throw new Error('late');
      }),
    ).not.toThrow();
    expect(emitWarning).toHaveBeenCalledTimes(3);
  });

  it('may leave themselves and others during an item, and join: joiners begin after it', async () => {
    const { hub, watch } = open();
    const heard: string[] = [];
    const others: Subscription[] = [];
    const self = hub.subscribe({ key: 'k' }, (item) => {
      heard.push(`first ${brief(item)}`);
      if (item.type !== 'events') return;
      for (const other of others) other.close();
      self.close();
      hub.subscribe({ key: 'k' }, (later) => heard.push(`joiner ${brief(later)}`));
    });
    others.push(hub.subscribe({ key: 'k' }, (item) => heard.push(`second ${brief(item)}`)));
    await watch(0).push({ type: 'opened', revision: 5 }, eventsAt(6), eventsAt(7));
    expect(heard).toEqual([
      'first opened 5',
      'second opened 5',
      'first events 6',
      'joiner opened 6',
      'joiner events 7',
    ]);
  });

  it('may close the hub during an item: nobody hears of anything after the end', async () => {
    const { hub, watch } = open();
    const heard: string[] = [];
    hub.subscribe({ key: 'k' }, (item) => {
      heard.push(`first ${brief(item)}`);
      if (item.type === 'opened') void hub.close();
    });
    hub.subscribe({ key: 'k' }, (item) => heard.push(`second ${brief(item)}`));
    await watch(0).push({ type: 'opened', revision: 5 }, eventsAt(6));
    expect(heard).toEqual(['first opened 5', 'first failed closed', 'second failed closed']);
  });
});

describe('close', () => {
  it('ends all watches and tells all subscribers, later ones too, and leaves no timer', async () => {
    const { hub, listen, watch, watches, runtime } = open();
    const first = listen();
    const second = listen({ key: 'other' });
    const left = listen({ key: 'left' });
    await watch(2).push({ type: 'opened', revision: 1 });
    left.subscription.close();
    await hub.close();
    await hub.close();
    expect(first.heard).toEqual(['failed closed']);
    expect(second.heard).toEqual(['failed closed']);
    expect(left.heard).toEqual(['opened 1']);
    expect(watches.map((each) => each.closed)).toEqual([true, true, true]);
    const late = listen();
    expect(late.heard).toEqual([]);
    await settle();
    expect(late.heard).toEqual(['failed closed']);
    const quiet = listen();
    quiet.subscription.close();
    await settle();
    expect(quiet.heard).toEqual([]);
    expect(watches.length).toBe(3);
    expect(runtime.timerCount).toBe(0);
  });
});
