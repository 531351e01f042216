import { describe, expect, it } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { Freshness } from '../../src/mirror/freshness.js';
import { PageLimit } from '../../src/mirror/page-limit.js';
import { Proofs } from '../../src/mirror/proofs.js';
import { RevisionWaits } from '../../src/mirror/revision-waits.js';
import { AgeClock } from '../../src/runtime/index.js';
import { ManualRuntime, settle } from '../support/manual-runtime.js';

describe('RevisionWaits', () => {
  it('wakes those whose revision is reached, in the order of revisions', async () => {
    const waits = new RevisionWaits();
    const woken: number[] = [];
    const add = (revision: number) => {
      const wait = waits.add(revision);
      void wait.reached.then(
        () => woken.push(revision),
        (error: string) => woken.push(-Number(error)),
      );
      return wait;
    };
    for (const revision of [5, 3, 9, 5]) add(revision);
    const left = add(4);
    left.leave();
    left.leave();
    waits.reached(2);
    await settle();
    expect(woken).toEqual([]);
    waits.reached(5);
    await settle();
    expect(woken).toEqual([3, 5, 5]);
    waits.fail('1');
    await settle();
    expect(woken).toEqual([3, 5, 5, -1]);
    expect(waits.size).toBe(0);
  });
});

describe('PageLimit', () => {
  it('begins small, grows with what fits, by little and not without end, and shrinks at once', () => {
    const limit = new PageLimit();
    const seen = [limit.keys];
    const learn = (keys: number, bytes: number) => {
      limit.learn(keys, bytes, 10);
      seen.push(limit.keys);
    };
    learn(16, 1_600);
    learn(64, 6_400);
    for (let page = 0; page < 3; page += 1) learn(100, 100_000);
    learn(0, 0);
    learn(2, 3_000_000);
    expect(seen).toEqual([16, 64, 256, 1_000, 1_000, 1_000, 1_000, 1]);
  });

  it('fits a page to how fast pages come, but only as long as that is a matter of their size', () => {
    const limit = new PageLimit();
    limit.learn(16, 16 * 32_768, 4_000);
    expect(limit.keys).toBe(4);
    limit.learn(4, 4 * 32_768, 500);
    expect(limit.keys).toBe(8);
    // What takes so long is not the sending of this.
    limit.learn(8, 8 * 100, 15_000);
    expect(limit.keys).toBe(32);
  });

  it('grows slowly after a page that was far too large, since more of the kind may come', () => {
    const limit = new PageLimit();
    for (let page = 0; page < 3; page += 1) limit.learn(limit.keys, 100 * limit.keys, 10);
    limit.learn(1_000, 1_000_000_000, 10);
    expect(limit.keys).toBe(1);
    const seen = Array.from({ length: 8 }, () => {
      limit.learn(limit.keys, 100 * limit.keys, 10);
      return limit.keys;
    });
    expect(seen).toEqual([2, 3, 4, 5, 7, 9, 12, 15]);
    for (let page = 0; page < 20; page += 1) limit.learn(limit.keys, 100 * limit.keys, 10);
    expect(limit.keys).toBe(1_000);
    // A large one among many small ones is none.
    limit.learn(1_000, 1_500_000, 10);
    limit.learn(limit.keys, 100 * limit.keys, 10);
    expect(limit.keys).toBe(874);
  });

  it('shrinks by what did not come, down to a single key', () => {
    const limit = new PageLimit();
    const seen = Array.from({ length: 4 }, () => {
      limit.shrink();
      return limit.keys;
    });
    expect(seen).toEqual([4, 1, 1, 1]);
    for (let page = 0; page < 6; page += 1) limit.learn(10, 100, 10);
    expect(limit.keys).toBe(9);
    for (let page = 0; page < 25; page += 1) limit.learn(10, 100, 10);
    expect(limit.keys).toBe(1_000);
  });
});

describe('Freshness', () => {
  it('REPLICA-3 counts a proof once it is fulfilled, and remembers the first and the last that are not', async () => {
    const runtime = new ManualRuntime();
    const clock = new AgeClock(runtime);
    const freshness = new Freshness(clock);
    const prove = (revision: number) => freshness.proved({ revision, sentAt: clock.now() });
    expect(freshness.ageMs).toBe(Number.POSITIVE_INFINITY);
    // Nothing is loaded.
    prove(0);
    expect(freshness.ageMs).toBe(Number.POSITIVE_INFINITY);
    await runtime.advance(100);
    freshness.stands(5);
    expect(freshness.ageMs).toBeCloseTo(100, 6);
    prove(7);
    await runtime.advance(100);
    prove(8);
    await runtime.advance(100);
    prove(9);
    expect(freshness.owes).toBe(7);
    expect(freshness.ageMs).toBeCloseTo(300, 6);
    freshness.stands(8);
    expect(freshness.ageMs).toBeCloseTo(200, 6);
    expect(freshness.owes).toBe(9);
    freshness.stands(9);
    expect(freshness.ageMs).toBeCloseTo(0, 6);
    expect(freshness.owes).toBeUndefined();
  });
});

describe('Proofs', () => {
  function proofs() {
    const runtime = new ManualRuntime();
    const asked: {
      answer: (revision: number, storeRevision?: number) => void;
      fail: (error: unknown) => void;
      signal: AbortSignal;
    }[] = [];
    const ended = new AbortController();
    const proved: number[] = [];
    const seen = { revision: 0, store: 0 };
    const wentBack: unknown[] = [];
    const all = new Proofs({
      ...{ runtime, clock: new AgeClock(runtime), ended: ended.signal, seen: () => seen.revision },
      stands: () => seen.store,
      isPutBack: () => false,
      wentBack: ({ details }) => wentBack.push(details),
      proof: ({ signal }) =>
        new Promise((resolve, fail) => {
          const answer = (revision: number, storeRevision = 9) => resolve({ revision, storeRevision });
          asked.push({ answer, fail, signal: signal as AbortSignal });
          signal?.addEventListener('abort', () => fail(new QuorateError('aborted', 'given up')));
        }),
      proved: ({ revision }) => proved.push(revision),
    });
    return { runtime, all, asked, ended, proved, seen, wentBack };
  }

  it('REPLICA-3 sends one after the call, for all who call meanwhile', async () => {
    const { all, asked, proved } = proofs();
    const first = all.ask();
    const others = [all.ask(), all.ask()];
    expect([asked.length, all.size]).toEqual([1, 2]);
    asked[0]?.answer(5);
    expect(await first.answer).toBe(5);
    await settle();
    expect([asked.length, all.size]).toEqual([2, 1]);
    asked[1]?.answer(6);
    expect(await Promise.all(others.map(({ answer }) => answer))).toEqual([6, 6]);
    await settle();
    expect([all.size, proved]).toEqual([0, [5, 6]]);
  });

  it('gives up what nobody wants, and tries again what passes', async () => {
    const { all, asked, runtime, proved } = proofs();
    const first = all.ask();
    const second = all.ask();
    first.leave();
    first.leave();
    await settle();
    expect(asked[0]?.signal.aborted).toBe(true);
    expect(asked).toHaveLength(2);
    asked[1]?.fail(new QuorateError('unavailable', 'away'));
    await runtime.advance(50);
    expect(asked).toHaveLength(3);
    asked[2]?.answer(7);
    expect(await second.answer).toBe(7);
    const third = all.ask();
    const fourth = all.ask();
    fourth.leave();
    asked[3]?.fail(new QuorateError('permission-denied', 'no'));
    await expect(third.answer).rejects.toMatchObject({ code: 'permission-denied' });
    await settle();
    expect([asked.length, all.size, proved]).toEqual([4, 0, [7]]);
    fourth.answer.catch(() => {});
  });

  it('REPLICA-3 believes none that goes back: the stamp was deleted, or the store restored', async () => {
    const { all, asked, runtime, proved, wentBack } = proofs();
    const first = all.ask();
    asked[0]?.answer(5);
    await first.answer;
    await settle();
    const second = all.ask();
    asked[1]?.answer(0);
    await runtime.advance(50);
    asked[2]?.answer(4);
    await runtime.advance(100);
    expect(proved).toEqual([5]);
    // Of a stamp that is there it is not to be explained by a deletion.
    expect(wentBack).toEqual([{ revision: 4, least: 5 }]);
    asked[3]?.answer(5);
    expect(await second.answer).toBe(5);
    expect(proved).toEqual([5, 5]);
  });

  it('REPLICA-3 believes no store that stands below what was seen of it, until that is forgotten', async () => {
    const { all, asked, runtime, proved, seen, wentBack } = proofs();
    seen.store = 12;
    const first = all.ask();
    asked[0]?.answer(11, 11);
    await runtime.advance(50);
    asked[1]?.answer(11, 20);
    await first.answer;
    await settle();
    const second = all.ask();
    asked[2]?.answer(11, 19);
    await runtime.advance(50);
    expect(wentBack).toEqual([
      { revision: 11, least: 12 },
      { revision: 19, least: 20 },
    ]);
    // It is read anew while one is under way, which says nothing then.
    all.forget();
    asked[3]?.answer(3, 25);
    await settle();
    expect(proved).toEqual([11]);
    asked[4]?.answer(3, 13);
    expect(await second.answer).toBe(3);
    expect(proved).toEqual([11, 3]);
  });

  it('REPLICA-3 believes none that is less than what had been seen of the stamp when it was sent', async () => {
    const { all, asked, runtime, proved, seen } = proofs();
    seen.revision = 5;
    const first = all.ask();
    asked[0]?.answer(0);
    await runtime.advance(50);
    // What comes by the watch meanwhile may be newer than what the proof found.
    seen.revision = 7;
    asked[1]?.answer(5);
    expect(await first.answer).toBe(5);
    expect(proved).toEqual([5]);
  });

  it('ends with its mirror', async () => {
    const { all, asked, ended } = proofs();
    const first = all.ask();
    ended.abort(new Error('over'));
    await expect(first.answer).rejects.toBeDefined();
    expect(asked[0]?.signal.aborted).toBe(true);
    await settle();
    expect(all.size).toBe(0);
  });
});
