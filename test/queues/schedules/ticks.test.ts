import { Cron } from 'croner';
import { describe, expect, it, vi } from 'vitest';
import { checkedMissed, dueTicks, firstOfDue } from '../../../src/queues/schedules/due.js';
import { checkedRule, ticksOf } from '../../../src/queues/schedules/ticks.js';

function at(text: string): number {
  return Date.parse(text);
}

describe('ticks of a schedule', () => {
  it('come at whole multiples, after a moment and never at it', () => {
    const ticks = ticksOf({ everyMs: 1_000 });
    expect(ticks.after(1_000)).toBe(2_000);
    expect(ticks.after(1_999.5)).toBe(2_000);
    expect(ticks.latest(1_000, 4_000, 10)).toEqual([2_000, 3_000, 4_000]);
    expect(ticks.latest(0, 7 * 24 * 3_600_000, 2)).toEqual([604_799_000, 604_800_000]);
    expect(ticks.latest(4_000, 4_000, 10)).toEqual([]);
  });

  it('come by the clocks of their time zone, once where those are set forward or back', () => {
    const ticks = ticksOf({ cron: '30 2 * * *', timezone: 'Europe/Berlin' });
    const summer = [at('2026-03-28T01:30:00Z'), at('2026-03-29T01:00:00Z'), at('2026-03-30T00:30:00Z')];
    expect(ticks.latest(at('2026-03-27T12:00:00Z'), at('2026-03-30T12:00:00Z'), 10)).toEqual(summer);
    const winter = [at('2026-10-25T00:30:00Z'), at('2026-10-26T01:30:00Z')];
    expect(ticks.latest(at('2026-10-24T12:00:00Z'), at('2026-10-26T12:00:00Z'), 10)).toEqual(winter);
    expect(ticksOf({ cron: '0 0 * * *', timezone: 'UTC' }).after(0)).toBe(24 * 3_600_000);
  });

  it('are found from the end, however long ago the first was', () => {
    const ticks = ticksOf({ cron: '* * * * * *', timezone: 'UTC' });
    const now = at('2026-01-01T00:00:00Z');
    expect(ticks.latest(0, now, 3)).toEqual([now - 2_000, now - 1_000, now]);
    const yearly = ticksOf({ cron: '0 0 1 1 *', timezone: 'UTC' });
    expect(yearly.latest(at('2023-06-01T00:00:00Z'), now - 1, 5)).toEqual([
      at('2024-01-01T00:00:00Z'),
      at('2025-01-01T00:00:00Z'),
    ]);
  });

  it.each([
    ['30 2 * * *', 'Europe/Berlin', 400],
    ['*/20 1-2 * * 0', 'America/New_York', 400],
    ['15 */3 29-31 * *', 'Australia/Lord_Howe', 400],
    ['*/7 * * * * *', 'America/Havana', 0.03],
  ])('of %s in %s are the same looking back as going on', (cron, timezone, days) => {
    const ticks = ticksOf({ cron, timezone });
    const fromMs = at('2026-03-08T04:59:30.500Z');
    const toMs = fromMs + days * 24 * 3_600_000;
    const forward: number[] = [];
    for (let tick = ticks.after(fromMs) ?? toMs; tick <= toMs; tick = ticks.after(tick) ?? toMs + 1)
      forward.push(tick);
    expect(forward.length).toBeGreaterThan(20);
    expect(ticks.latest(fromMs, toMs, forward.length + 1)).toEqual(forward);
    expect(ticks.latest(fromMs, forward.at(-1) ?? 0, 3)).toEqual(forward.slice(-3));
  });

  it('are found behind a dense part without going through it', () => {
    const steps = vi.spyOn(Cron.prototype, 'nextRun');
    const ticks = ticksOf({ cron: '* * 0 10 1 *', timezone: 'UTC' });
    const last = at('2026-01-10T00:59:59Z');
    expect(ticks.latest(at('2026-01-01T00:00:00Z'), at('2026-06-30T00:00:00Z'), 2)).toEqual([
      last - 1_000,
      last,
    ]);
    expect(steps).not.toHaveBeenCalled();
    steps.mockRestore();
  });

  it.each([
    [{}],
    [{ everyMs: 1_000, cron: '* * * * *' }],
    [{ everyMs: 999 }],
    [{ everyMs: Number.NaN }],
    [{ everyMs: '1000' }],
    [{ everyMs: 1_000, timezone: 'UTC' }],
    [{ cron: 'nonsense' }],
    [{ cron: 7 }],
    [{ cron: '* * * * *', timezone: 'Nowhere/There' }],
    [{ cron: '* * * * *', timezone: 7 }],
    [{ cron: '0 0 30 2 *' }],
    [{ cron: `${'0,'.repeat(200)}0 * * * *` }],
  ])('are refused for %j', (options) => {
    expect(() => checkedRule(options)).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  });
});

describe('QUEUE-24 ticks that are due', () => {
  const ticks = ticksOf({ everyMs: 1_000 });

  it('have an item each at their time', () => {
    expect(dueTicks(ticks, 'skip', 10_000, 10_999)).toBeUndefined();
    expect(dueTicks(ticks, 'skip', 10_000, 11_000)).toEqual({ ticks: [11_000], lastMs: 11_000 });
    expect(dueTicks(ticks, 'skip', 10_000, 12_500)).toEqual({ ticks: [11_000, 12_000], lastMs: 12_000 });
  });

  it('are treated as was asked for when they are late', () => {
    const nowMs = 30_500;
    const onTime = [26_000, 27_000, 28_000, 29_000, 30_000];
    expect(dueTicks(ticks, 'skip', 10_000, nowMs)).toEqual({ ticks: onTime, lastMs: 30_000 });
    expect(dueTicks(ticks, 'one', 10_000, nowMs)).toEqual({ ticks: [25_000, ...onTime], lastMs: 30_000 });
    expect(dueTicks(ticks, { atMost: 3 }, 10_000, nowMs)?.ticks).toEqual([23_000, 24_000, 25_000, ...onTime]);
    expect(dueTicks(ticks, { atMost: 50 }, 20_000, nowMs)?.ticks[0]).toBe(21_000);
  });

  it('are decided without an item if all are late and skipped', () => {
    const rare = ticksOf({ everyMs: 60_000 });
    expect(dueTicks(rare, 'skip', 0, 70_000)).toEqual({ ticks: [], lastMs: 60_000 });
    expect(dueTicks(rare, 'one', 0, 190_000)).toEqual({ ticks: [180_000], lastMs: 180_000 });
  });

  it('are decided in parts, the earliest first, where their items are too large for one write', () => {
    const nowMs = 100_500;
    for (const missed of ['skip', 'one', { atMost: 50 }] as const) {
      const whole = dueTicks(ticks, missed, 10_000, nowMs);
      const decided: number[] = [];
      let lastMs = 10_000;
      for (let due = whole; due !== undefined; due = dueTicks(ticks, missed, lastMs, nowMs)) {
        const part = firstOfDue(due, 262_144);
        expect(part.ticks.length).toBeLessThanOrEqual(3);
        decided.push(...part.ticks);
        lastMs = part.lastMs;
      }
      expect(decided).toEqual(whole?.ticks);
      expect(lastMs).toBe(100_000);
      expect(whole && firstOfDue(whole, 100)).toBe(whole);
    }
    const none = { ticks: [], lastMs: 7_000 };
    expect(firstOfDue(none, 262_144)).toBe(none);
  });

  it('are decided where they are found from before, though not from behind', () => {
    const ticksOfHalf = { after: (ms: number) => ticks.after(ms), latest: () => [] };
    expect(dueTicks(ticksOfHalf, 'skip', 10_000, 10_999)).toBeUndefined();
    expect(dueTicks(ticksOfHalf, 'skip', 10_000, 12_500)).toEqual({ ticks: [11_000], lastMs: 11_000 });
    expect(dueTicks(ticksOfHalf, 'skip', 10_000, 20_000)).toEqual({ ticks: [], lastMs: 11_000 });
    expect(dueTicks(ticksOfHalf, 'one', 10_000, 20_000)).toEqual({ ticks: [11_000], lastMs: 11_000 });
  });

  it('are not repeated where the clock was set back', () => {
    expect(dueTicks(ticks, 'one', 10_000, 4_000)).toBeUndefined();
  });

  it.each([[null], ['all'], [{}], [{ atMost: 0 }], [{ atMost: 51 }], [{ atMost: 1.5 }], [3]])(
    'refuse %j as a policy',
    (missed) => {
      expect(() => checkedMissed(missed)).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
    },
  );
});
