import { describe, expect, it } from 'vitest';
import { EventLoop } from '../../src/simulator/time/event-loop.js';

describe('EventLoop', () => {
  it('runs events by their time, and in the order of their making where that is the same', async () => {
    const loop = new EventLoop();
    const seen: string[] = [];
    for (const [name, atMs] of Object.entries({ d: 5, a: 1, e: 5, c: 3, b: 1, f: 8 })) {
      loop.after(atMs, () => seen.push(`${name} at ${loop.nowMs}`));
    }
    await loop.run(7);
    expect(seen).toEqual(['a at 1', 'b at 1', 'c at 3', 'd at 5', 'e at 5']);
    expect(loop.nowMs).toBe(7);
    expect(loop.events).toBe(5);
  });

  it('keeps the order of thousands', async () => {
    const loop = new EventLoop();
    const seen: number[] = [];
    for (let index = 0; index < 5_000; index += 1) {
      const atMs = (index * 7_919) % 5_003;
      loop.after(atMs, () => seen.push(atMs));
    }
    await loop.run(10_000);
    expect(seen).toHaveLength(5_000);
    expect(seen).toEqual([...seen].sort((left, right) => left - right));
  });

  it('lets everything that an event set off run to its end before the next event', async () => {
    const loop = new EventLoop();
    const seen: string[] = [];
    loop.after(1, async () => {
      for (let turn = 0; turn < 500; turn += 1) await undefined;
      await new Promise<void>((resolve) => process.nextTick(resolve));
      seen.push('the end of the first');
    });
    loop.after(1, () => seen.push('the second'));
    await loop.run(1);
    expect(seen).toEqual(['the end of the first', 'the second']);
  });

  it('stops at the event that was waited for', async () => {
    const loop = new EventLoop();
    let count = 0;
    for (let atMs = 1; atMs <= 10; atMs += 1) {
      loop.after(atMs, () => {
        count += 1;
      });
    }
    expect(await loop.run(100, () => count === 4)).toBe(true);
    expect(loop.nowMs).toBe(4);
    expect(await loop.run(100, () => count === 40)).toBe(false);
    expect(loop.nowMs).toBe(100);
  });

  it('does not run what was cancelled', async () => {
    const loop = new EventLoop();
    const event = loop.after(1, () => {
      throw new Error('cancelled');
    });
    event.cancelled = true;
    await loop.run(5);
    expect(loop.events).toBe(0);
  });

  it('rejects with the first failure, once', async () => {
    const loop = new EventLoop();
    loop.after(1, () => {
      loop.fail(new Error('one'));
      loop.fail(new Error('two'));
    });
    await expect(loop.run(5)).rejects.toThrow('one');
    await loop.run(5);
    expect(loop.nowMs).toBe(5);
  });
});
