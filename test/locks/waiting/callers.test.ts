import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { Callers } from '../../../src/locks/waiting/callers.js';
import { systemRuntime } from '../../../src/runtime/index.js';

describe('Callers', () => {
  it('serves in the order of the calls, those at the head first', async () => {
    const callers = new Callers<number>(systemRuntime);
    const order: string[] = [];
    const waits = [
      callers.wait({}, 'waiting').then((value) => order.push(`a${value}`)),
      callers.wait({}, 'waiting').then((value) => order.push(`b${value}`)),
      callers.wait({}, 'waiting', true).then((value) => order.push(`c${value}`)),
    ];
    expect(callers.size).toBe(3);
    for (const value of [1, 2, 3]) callers.serve(() => value);
    await Promise.all(waits);
    expect(order).toEqual(['c1', 'a2', 'b3']);
    expect(callers.serve(() => 4)).toBeUndefined();
  });

  it('skips who gave up, and says so with a code', async () => {
    const callers = new Callers<number>(systemRuntime);
    const controller = new AbortController();
    const aborted = callers.wait({ signal: controller.signal }, 'waiting for the test');
    const late = callers.wait({ timeoutMs: 1 }, 'waiting for the test');
    const patient = callers.wait({}, 'waiting for the test');
    controller.abort(new Error('enough'));
    await expect(aborted).rejects.toMatchObject({ code: 'aborted', outcome: 'not-applied' });
    await expect(late).rejects.toMatchObject({ code: 'timeout' });
    expect(callers.size).toBe(1);
    callers.serve(() => 7);
    expect(await patient).toBe(7);
  });

  it('keeps what was given even if the signal fires in the same instant', async () => {
    const callers = new Callers<string>(systemRuntime);
    const controller = new AbortController();
    const wait = callers.wait({ signal: controller.signal }, 'waiting');
    callers.serve(() => 'given');
    controller.abort();
    expect(await wait).toBe('given');
  });

  it('tells when nobody waits any more', async () => {
    const callers = new Callers<string>(systemRuntime);
    const controller = new AbortController();
    const wait = callers.wait({ signal: controller.signal }, 'waiting').catch(() => 'gave up');
    const empty = callers.empty();
    controller.abort();
    await empty.promise;
    expect(await wait).toBe('gave up');
    expect(callers.size).toBe(0);
  });

  it('refuses everybody', async () => {
    const callers = new Callers<string>(systemRuntime);
    const waits = [callers.wait({}, 'waiting'), callers.wait({}, 'waiting')];
    callers.refuse(new Error('closed'));
    const outcomes = await Promise.allSettled(waits);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });

  it('keeps nothing of those who gave up while others wait on', async () => {
    const callers = new Callers<number>(systemRuntime);
    const patient = callers.wait({}, 'waiting');
    const gone: WeakRef<AbortSignal>[] = [];
    for (let call = 0; call < 1_000; call += 1) {
      const controller = new AbortController();
      gone.push(new WeakRef(controller.signal));
      callers.wait({ signal: controller.signal }, 'waiting').catch(() => {});
      controller.abort();
    }
    setFlagsFromString('--expose-gc');
    const collect: () => void = runInNewContext('gc');
    const kept = () => {
      collect();
      return gone.filter((signal) => signal.deref() !== undefined).length;
    };
    await expect.poll(kept, { timeout: 5_000 }).toBeLessThan(200);
    callers.serve(() => 1);
    expect(await patient).toBe(1);
  });

  it('stays small over a hundred thousand callers', async () => {
    const callers = new Callers<number>(systemRuntime);
    let last: Promise<number> | undefined;
    for (let round = 0; round < 100; round += 1) {
      for (let call = 0; call < 1_000; call += 1) last = callers.wait({}, 'waiting');
      for (let call = 0; call < 1_000; call += 1) callers.serve(() => call);
    }
    expect(await last).toBe(999);
    expect(callers.size).toBe(0);
  });
});
