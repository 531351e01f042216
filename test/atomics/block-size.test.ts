import { describe, expect, it } from 'vitest';
import { BlockSize } from '../../src/atomics/ids/block-size.js';
import { Blocks } from '../../src/atomics/ids/blocks.js';
import { ManualRuntime } from '../support/manual-runtime.js';

describe('BlockSize', () => {
  it('grows while blocks are used up within a second, and shrinks while they last ten', () => {
    const runtime = new ManualRuntime();
    const size = new BlockSize(runtime, { atLeast: 4, atMost: 64 });
    expect([0, 0, 0, 0, 0, 0].map((wanted) => size.next(wanted))).toEqual([4, 8, 16, 32, 64, 64]);
    runtime.pass(5_000);
    expect(size.next(0)).toBe(64);
    runtime.pass(11_000);
    expect(size.next(0)).toBe(32);
    for (let times = 0; times < 6; times += 1) {
      runtime.pass(11_000);
      size.next(0);
    }
    runtime.pass(11_000);
    expect(size.next(0)).toBe(4);
  });

  it('is what is waited for, within its bounds', () => {
    const runtime = new ManualRuntime();
    const size = new BlockSize(runtime, { atLeast: 4, atMost: 64 });
    expect(size.next(20)).toBe(20);
    expect(size.next(1_000)).toBe(64);
    const fixed = new BlockSize(runtime, 10);
    expect([0, 3, 1_000].map((wanted) => fixed.next(wanted))).toEqual([10, 10, 10]);
    expect(new BlockSize(runtime, { atLeast: 100_000 }).next(0)).toBe(100_000);
  });
});

describe('Blocks', () => {
  it('gives out what it has in order, and refuses a block that goes back', () => {
    const blocks = new Blocks(0);
    expect(blocks.take()).toBeUndefined();
    blocks.add({ from: 1, to: 2 });
    blocks.add({ from: 5, to: 5 });
    expect(blocks.left).toBe(3);
    expect([blocks.take(), blocks.take(), blocks.take(), blocks.take()]).toEqual([1, 2, 5, undefined]);
    expect(blocks.left).toBe(0);
    expect(() => blocks.add({ from: 5, to: 9 })).toThrow(/ascend/);
    expect(() => blocks.add({ from: 8, to: 7 })).toThrow(/ascend/);
  });
});
