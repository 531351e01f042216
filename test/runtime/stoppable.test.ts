import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { stoppable } from '../../src/runtime/index.js';

/** One item, and then none until the end. */
function scene(signal?: AbortSignal) {
  const log: string[] = [];
  const items = stoppable(signal, async function* (end) {
    log.push('begun');
    try {
      yield 1;
      await new Promise<void>((resolve) => end.addEventListener('abort', () => resolve(), { once: true }));
    } finally {
      log.push('ended');
    }
  });
  return { items, log };
}

const done = { value: undefined, done: true };

describe('stoppable', () => {
  it('is left while an item is waited for that never comes', async () => {
    const { signal } = new AbortController();
    const { items, log } = scene(signal);
    expect(await items.next()).toEqual({ value: 1, done: false });
    const waiting = items.next();
    expect(getEventListeners(signal, 'abort').length).toBe(1);
    expect(await items.return?.()).toEqual(done);
    expect(await waiting).toEqual(done);
    expect(await items.next()).toEqual(done);
    expect(log).toEqual(['begun', 'ended']);
    expect(getEventListeners(signal, 'abort').length).toBe(0);
  });

  it('ends when the signal fires, and by a loop that is left', async () => {
    const controller = new AbortController();
    const first = scene(controller.signal);
    await first.items.next();
    const waiting = first.items.next();
    controller.abort();
    expect(await waiting).toEqual(done);
    const second = scene();
    for await (const item of second.items) {
      expect(item).toBe(1);
      break;
    }
    expect([first.log, second.log]).toEqual([
      ['begun', 'ended'],
      ['begun', 'ended'],
    ]);
  });

  it('begins nothing before it is read, nor after the end', async () => {
    const controller = new AbortController();
    const unread = scene(controller.signal);
    expect(getEventListeners(controller.signal, 'abort').length).toBe(0);
    expect(await unread.items.return?.()).toEqual(done);
    const late = scene(controller.signal);
    controller.abort();
    expect(await late.items.next()).toEqual(done);
    expect([unread.log, late.log]).toEqual([[], []]);
  });

  it('passes on what is thrown, and leaves nothing on the signal', async () => {
    const { signal } = new AbortController();
    const items = stoppable<number>(signal, async function* () {
      yield 1;
      throw new Error('no more');
    });
    await items.next();
    await expect(items.next()).rejects.toThrow('no more');
    expect(getEventListeners(signal, 'abort').length).toBe(0);
  });
});
