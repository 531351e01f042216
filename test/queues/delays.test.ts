import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Delays } from '../../src/queues/dispatch/delays.js';

it('gives back what is due, the earliest first, whatever the order in which it came', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 50 })),
      fc.integer({ min: 0, max: 50 }),
      (times, nowMs) => {
        const delays = new Delays<number>();
        for (const [index, untilMs] of times.entries()) delays.add(untilMs, index);
        const due: number[] = [];
        for (let next = delays.takeDue(nowMs); next; next = delays.takeDue(nowMs)) {
          expect(times[next.value]).toBe(next.untilMs);
          due.push(next.untilMs);
        }
        expect(due).toEqual(times.filter((untilMs) => untilMs <= nowMs).sort((a, b) => a - b));
        const left = times.filter((untilMs) => untilMs > nowMs);
        expect(delays.nextMs).toBe(left.length === 0 ? undefined : Math.min(...left));
      },
    ),
  );
});
