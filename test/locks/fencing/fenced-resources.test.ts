import { getEventListeners } from 'node:events';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QuorateError } from '../../../src/errors.js';
import { type FenceStore, MemoryFenceStore } from '../../../src/locks/fencing/fence-store.js';
import { FencedResources } from '../../../src/locks/fencing/fenced-resources.js';
import { ManualRuntime, settle } from '../../support/manual-runtime.js';
import { propertyRuns } from '../../support/property-runs.js';

function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

/** Work that has begun and goes on until it is let go, or until its signal fires if it obeys. */
function openWork({ obeys = false } = {}) {
  const { opened, open } = gate();
  const state = { signal: new AbortController().signal, begun: false, finish: open };
  const work = async (signal: AbortSignal) => {
    Object.assign(state, { signal, begun: true });
    if (obeys) signal.addEventListener('abort', open);
    await opened;
    signal.throwIfAborted();
    return 'done';
  };
  return { state, work };
}

describe('FencedResources', () => {
  it('lets a token work many times, and a newer one; refuses the older from then on, and says what is newest', async () => {
    const fences = new FencedResources();
    expect(await fences.run('stock', 5_000, () => 'first')).toBe('first');
    expect(await fences.run('stock', 5_000, async () => 'again')).toBe('again');
    expect(await fences.run('stock', 5_001, () => 'newer')).toBe('newer');
    let begun = false;
    const late = fences.run('stock', 5_000, () => {
      begun = true;
    });
    await expect(late).rejects.toMatchObject({
      code: 'fenced',
      outcome: 'not-applied',
      details: { resource: 'stock', token: 5_000, newest: 5_001 },
    });
    expect(begun).toBe(false);
    expect(await fences.run('other', 5_000, () => 'of another resource')).toBe('of another resource');
  });

  it.each([null, 7, 'memory'])('refuses the options %s, and so does its memory', (options) => {
    const refusal = expect.objectContaining({ code: 'invalid-argument' });
    expect(() => new FencedResources(options as never)).toThrow(refusal);
    expect(() => new MemoryFenceStore(options as never)).toThrow(refusal);
  });

  it.each([0, -1, 1.5, Number.NaN, 2 ** 53, '5000', 5_000n, undefined, null])(
    'refuses the token %s',
    async (token) => {
      const work = () => expect.unreachable();
      const refused = new FencedResources().run('stock', token as number, work);
      await expect(refused).rejects.toMatchObject({ code: 'invalid-argument' });
    },
  );

  it('refuses what is no name, no work, no wait and no store', async () => {
    const fences = new FencedResources();
    const refused = [
      fences.run(7 as never, 1, () => {}),
      fences.run('stock', 1, 'work' as never),
      fences.run('stock', 1, () => {}, { timeoutMs: 0 }),
    ];
    for (const run of refused) await expect(run).rejects.toMatchObject({ code: 'invalid-argument' });
    expect(() => new FencedResources({ store: {} as never })).toThrow('accepted: a FenceStore');
  });

  it('tells older work that a newer token has come, and begins the newer when the older has settled', async () => {
    const fences = new FencedResources();
    const [older, newer] = [openWork(), openWork()];
    const first = fences.run('stock', 1, older.work).catch((error: unknown) => error);
    const waiting = fences.run('stock', 1, () => 'never').catch((error: unknown) => error);
    await settle();
    expect(older.state.begun).toBe(true);
    const second = fences.run('stock', 2, newer.work);
    expect(older.state.signal.reason).toMatchObject({ code: 'fenced', outcome: 'unknown' });
    expect(await waiting).toMatchObject({ code: 'fenced', outcome: 'not-applied', details: { newest: 2 } });
    await settle();
    expect(newer.state.begun).toBe(false);
    older.state.finish();
    expect(await first).toBe(older.state.signal.reason);
    await settle();
    expect(newer.state.begun).toBe(true);
    newer.state.finish();
    expect(await second).toBe('done');
  });

  it('refuses an older token at once while newer work is under way', async () => {
    const fences = new FencedResources();
    const { state, work } = openWork();
    const newer = fences.run('stock', 2, work);
    await expect(fences.run('stock', 1, () => {})).rejects.toMatchObject({ code: 'fenced' });
    state.finish();
    await newer;
  });

  it('keeps nothing of a resource when its last request is over: from then on the store alone knows', async () => {
    const forgetful: FenceStore = { advance: async (_resource, token) => token };
    const fences = new FencedResources({ store: forgetful });
    await fences.run('stock', 2, () => {});
    expect(await fences.run('stock', 1, () => 'let in by the store')).toBe('let in by the store');
  });

  it('begins no work that is overtaken or given up between the answer of the store and its turn', async () => {
    for (const event of ['overtaken', 'given up']) {
      let begun = 0;
      for (let turns = 0; turns < 30; turns += 1) {
        const { opened, open } = gate();
        const store: FenceStore = { advance: (_resource, token) => opened.then(() => token) };
        const fences = new FencedResources({ store });
        const { signal, abort } = abortable();
        const work = (mine: AbortSignal) => {
          begun += 1;
          expect(mine.aborted).toBe(false);
        };
        const older = fences.run('stock', 1, work, { signal }).catch((error) => error.code ?? error.message);
        await settle();
        open();
        for (let turn = 0; turn < turns; turn += 1) await undefined;
        if (event === 'overtaken') await fences.run('stock', 2, () => {});
        else abort();
        expect(await older).toBeOneOf([undefined, event === 'overtaken' ? 'fenced' : 'aborted']);
      }
      expect(begun).toBeGreaterThan(0);
      expect(begun).toBeLessThan(30);
    }
  });

  it('answers what older work answers, if it was done all the same', async () => {
    const fences = new FencedResources();
    const { opened, open } = gate();
    const first = fences.run('stock', 1, () => opened.then(() => 'done all the same'));
    await settle();
    const second = fences.run('stock', 2, () => 'newer');
    open();
    expect(await Promise.all([first, second])).toEqual(['done all the same', 'newer']);
  });

  it('forgets nothing in a restart if its store does not', async () => {
    const store = new MemoryFenceStore();
    await new FencedResources({ store }).run('stock', 2_048, () => {});
    const restarted = new FencedResources({ store });
    await expect(restarted.run('stock', 2_047, () => {})).rejects.toMatchObject({ code: 'fenced' });
    await restarted.run('stock', 2_048, () => {});
  });

  it('does not begin work when another process let a newer token in, nor when the store fails or answers nonsense', async () => {
    const answers: unknown[] = [9, '7', 6, undefined, new Error('the disk is full'), 7];
    const store: FenceStore = {
      advance: async () => {
        const answer = answers.shift();
        if (answer instanceof Error) throw answer;
        return answer as number;
      },
    };
    const fences = new FencedResources({ store });
    let begun = 0;
    const run = () => fences.run('stock', 7, () => (begun += 1));
    await expect(run()).rejects.toMatchObject({ code: 'fenced', details: { token: 7, newest: 9 } });
    for (let nonsense = 0; nonsense < 3; nonsense += 1) {
      await expect(run()).rejects.toMatchObject({ code: 'invalid-argument' });
    }
    await expect(run()).rejects.toThrow('the disk is full');
    expect(begun).toBe(0);
    expect(await run()).toBe(1);
  });

  it('refuses a token that was overtaken while the store was asked', async () => {
    const memory = new MemoryFenceStore();
    const { opened, open } = gate();
    const store: FenceStore = { advance: (...args) => opened.then(() => memory.advance(...args)) };
    const fences = new FencedResources({ store });
    const older = fences.run('stock', 1, () => expect.unreachable());
    await settle();
    const newer = fences.run('stock', 2, () => 'newer');
    await expect(older).rejects.toMatchObject({ code: 'fenced' });
    open();
    expect(await newer).toBe('newer');
  });

  it('a wait that is given up leaves nothing behind, and lets nobody in early', async () => {
    const runtime = new ManualRuntime();
    const asked: number[] = [];
    const memory = new MemoryFenceStore();
    const store: FenceStore = {
      advance: (resource, token) => {
        asked.push(token);
        return memory.advance(resource, token);
      },
    };
    const fences = new FencedResources({ runtime, store });
    const { signal, abort } = abortable();
    const [holder, next] = [openWork(), openWork()];
    const held = fences.run('stock', 1, holder.work);
    const givenUp = [
      fences.run('stock', 1, () => expect.unreachable(), { signal, timeoutMs: 1_000 }),
      fences.run('stock', 1, () => expect.unreachable(), { timeoutMs: 50 }),
    ].map((run) => run.catch((error: QuorateError) => error.code));
    const last = fences.run('stock', 1, next.work, { timeoutMs: 1_000 });
    await runtime.advance(60);
    abort();
    expect(await Promise.all(givenUp)).toEqual(['aborted', 'timeout']);
    expect(next.state.begun).toBe(false);
    holder.state.finish();
    await held;
    await settle();
    expect(next.state.begun).toBe(true);
    expect(asked).toEqual([1, 1]);
    // What has begun is not timed any more.
    await runtime.advance(2_000);
    next.state.finish();
    expect(await last).toBe('done');
    expect(runtime.timerCount).toBe(0);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it("passes the caller's signal to work that has begun, and waits for it", async () => {
    const { signal, abort } = abortable();
    const { state, work } = openWork({ obeys: true });
    const run = new FencedResources().run('stock', 1, work, { signal });
    await settle();
    abort();
    await expect(run).rejects.toBe(signal.reason);
    expect(state.signal.aborted).toBe(true);
  });

  it('whatever the interleaving: effects never overlap, and none of an older token begins after a newer one', async () => {
    let refused = 0;
    let overtaken = 0;
    const request = fc.record({
      token: fc.integer({ min: 1, max: 5 }),
      obeys: fc.boolean(),
      fails: fc.boolean(),
      givesUp: fc.option(fc.nat({ max: 3 }), { nil: undefined, freq: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.array(request, { maxLength: 8 }), async (scheduler, requests) => {
        const memory = new MemoryFenceStore();
        const store: FenceStore = {
          advance: async (resource, token) => {
            await scheduler.schedule(Promise.resolve(), 'the store is asked');
            const newest = await memory.advance(resource, token);
            await scheduler.schedule(Promise.resolve(), 'the store answers');
            return newest;
          },
        };
        const fences = new FencedResources({ store });
        const [arrived, begun]: [string[], string[]] = [[], []];
        let inside = 0;
        const send = async (token: number, index: number) => {
          const { obeys, fails, givesUp } = requests[index] ?? expect.unreachable();
          await scheduler.schedule(Promise.resolve(), `request ${index} arrives`);
          arrived.push(`${token}.${index}`);
          const { signal, abort } = abortable();
          if (givesUp !== undefined) void scheduler.schedule(Promise.resolve(), 'gives up').then(abort);
          const work = async (mine: AbortSignal) => {
            expect(inside).toBe(0);
            inside += 1;
            begun.push(`${token}.${index}`);
            for (let step = 0; step < 4 && !(obeys && mine.aborted); step += 1) {
              await scheduler.schedule(Promise.resolve(), `work ${index} goes on`);
            }
            if (mine.reason instanceof QuorateError) overtaken += 1;
            inside -= 1;
            if (fails) throw new Error('the work failed');
          };
          return fences.run('stock', token, work, { signal }).then(
            () => 'done',
            (error: Error) => ('code' in error ? error.code : error.message),
          );
        };
        const outcomes = await scheduler.waitFor(
          Promise.all(requests.map(({ token }, index) => send(token, index))),
        );
        const tokens = begun.map((entry) => Number(entry.split('.')[0]));
        expect(tokens).toEqual([...tokens].sort());
        // Those of one token begin in the order in which they came.
        expect(begun).toEqual(
          [...begun].sort(
            (one, other) =>
              Number(one[0]) - Number(other[0]) || arrived.indexOf(one) - arrived.indexOf(other),
          ),
        );
        const newest = Math.max(0, ...requests.map(({ token }) => token));
        for (const [index, outcome] of outcomes.entries()) {
          const { token, fails, givesUp } = requests[index] ?? expect.unreachable();
          if (outcome === 'fenced') refused += 1;
          const ran = begun.includes(`${token}.${index}`);
          expect(outcome).toBeOneOf(ran ? [fails ? 'the work failed' : 'done'] : ['fenced', 'aborted']);
          if (outcome === 'aborted') expect(givesUp).toBeDefined();
          if (outcome === 'fenced') expect(token).toBeLessThan(newest);
        }
      }),
      propertyRuns(400),
    );
    expect(refused).toBeGreaterThan(50);
    expect(overtaken).toBeGreaterThan(5);
  });
});

function abortable() {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort(new Error('enough')) };
}

describe('MemoryFenceStore', () => {
  it('never lets in what is older than a token it was given, however little it may keep', async () => {
    const calls = fc.array(
      fc.record({ resource: fc.constantFrom('a', 'b', 'c', 'd'), token: fc.integer({ min: 1, max: 9 }) }),
    );
    await fc.assert(
      fc.asyncProperty(calls, fc.integer({ min: 1, max: 4 }), async (given, limit) => {
        const store = new MemoryFenceStore({ limit });
        const newest = new Map<string, number>();
        let newestOfAll = 0;
        for (const { resource, token } of given) {
          const answer = await store.advance(resource, token);
          const known = newest.get(resource) ?? 0;
          expect(answer).toBeGreaterThanOrEqual(Math.max(known, token));
          // Refused, where it need not be, only because of a newer token of another resource that is forgotten.
          expect(answer).toBeLessThanOrEqual(Math.max(token, newestOfAll));
          if (limit === 4) expect(answer).toBe(Math.max(known, token));
          if (answer === token) newest.set(resource, token);
          newestOfAll = Math.max(newestOfAll, token);
          expect(store.size).toBeLessThanOrEqual(limit);
        }
      }),
      propertyRuns(300),
    );
  });

  it('keeps those that were advanced last', async () => {
    const store = new MemoryFenceStore({ limit: 2 });
    for (const [resource, token] of [
      ['a', 1],
      ['b', 8],
      ['a', 2],
      ['c', 9],
    ] as const)
      await store.advance(resource, token);
    expect(await store.advance('a', 3)).toBe(3);
    expect(await store.advance('b', 7)).toBe(8);
  });

  it.each([0, -1, 1.5, Number.NaN, '7'])('refuses the limit %s', (limit) => {
    expect(() => new MemoryFenceStore({ limit: limit as number })).toThrow('accepted: a whole number from 1');
  });
});
