import { describe, expect, it } from 'vitest';
import { Reminder } from '../../src/runtime/index.js';
import { ManualRuntime } from '../support/manual-runtime.js';

function reminded() {
  const runtime = new ManualRuntime();
  const beganMs = runtime.monotonicMs();
  const told: number[] = [];
  let timers = 0;
  const counted = {
    ...runtime,
    monotonicMs: () => runtime.monotonicMs(),
    setTimer: (...args: Parameters<ManualRuntime['setTimer']>) => {
      timers += 1;
      return runtime.setTimer(...args);
    },
  } as unknown as ManualRuntime;
  const reminder = new Reminder(counted, () => told.push(runtime.monotonicMs() - beganMs));
  return { runtime, reminder, told, beganMs, timers: () => timers };
}

describe('a reminder', () => {
  it('comes once, when it is due', async () => {
    const { runtime, reminder, told } = reminded();
    reminder.setIn(100);
    await runtime.advance(99);
    expect(told).toEqual([]);
    await runtime.advance(1_000);
    expect(told).toEqual([100]);
    expect(reminder.isSet).toBe(false);
  });

  it('put off, comes later, and only then', async () => {
    const { runtime, reminder, told, beganMs } = reminded();
    reminder.setIn(100);
    await runtime.advance(50);
    reminder.set(beganMs + 300);
    await runtime.advance(249);
    expect(told).toEqual([]);
    await runtime.advance(1);
    expect(told).toEqual([300]);
  });

  it('brought forward, comes sooner, and only then', async () => {
    const { runtime, reminder, told } = reminded();
    reminder.setIn(300);
    reminder.setIn(100);
    await runtime.advance(1_000);
    expect(told).toEqual([100]);
  });

  it('called off, does not come, and may be set again meanwhile', async () => {
    const { runtime, reminder, told } = reminded();
    reminder.setIn(100);
    reminder.clear();
    await runtime.advance(1_000);
    expect(told).toEqual([]);
    reminder.setIn(100);
    reminder.clear();
    reminder.setIn(200);
    await runtime.advance(1_000);
    expect(told).toEqual([1_200]);
  });

  it('takes one timer for a thousand times that it is set and called off', async () => {
    const { runtime, reminder, told, timers } = reminded();
    for (let round = 0; round < 1_000; round += 1) {
      reminder.setIn(5_000);
      await runtime.advance(1);
      reminder.clear();
    }
    expect(timers()).toBe(1);
    await runtime.advance(10_000);
    expect(told).toEqual([]);
    expect(timers()).toBe(1);
  });

  it('stopped, leaves no timer', async () => {
    const { runtime, reminder, told } = reminded();
    reminder.setIn(100);
    reminder.stop();
    await runtime.advance(1_000);
    expect(told).toEqual([]);
    expect(reminder.isSet).toBe(false);
  });

  it('may be set again as it comes', async () => {
    const runtime = new ManualRuntime();
    const beganMs = runtime.monotonicMs();
    const told: number[] = [];
    const reminder: Reminder = new Reminder(runtime, () => {
      told.push(runtime.monotonicMs() - beganMs);
      if (told.length < 3) reminder.setIn(10);
    });
    reminder.setIn(10);
    await runtime.advance(1_000);
    expect(told).toEqual([10, 20, 30]);
  });
});
