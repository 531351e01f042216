import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LeaseTable } from '../src/engine/lease-table.js';
import { SortedKeys } from '../src/engine/sorted-keys.js';
import { inRange } from '../src/store/index.js';
import { randomFrom } from '../test/support/operations.js';

const runs = {
  numRuns: Number(process.env.QUORATE_RUNS ?? 60),
  seed: Number(process.env.QUORATE_SEED ?? Date.now()),
};

describe('the structures of the engine', () => {
  test('ENGINE-6 sorted keys read every range in order, through splits and emptied chunks', () => {
    fc.assert(
      fc.property(
        fc.noShrink(fc.nat()),
        fc.integer({ min: 1, max: 6_000 }),
        fc.constantFrom('random', 'growing', 'falling'),
        (seed, steps, order) => {
          const random = randomFrom(seed);
          const sorted = new SortedKeys<{ readonly key: string }>();
          const present = new Set<string>();
          const keyAt = (step: number) => {
            const number =
              order === 'random' ? Math.floor(random() * 4_000) : order === 'growing' ? step : steps - step;
            return String(number).padStart(5, '0');
          };
          for (let step = 0; step < steps; step += 1) {
            const key = keyAt(step);
            if (!present.has(key)) {
              present.add(key);
              sorted.add({ key });
            }
            if (random() < 0.4) {
              const gone = keyAt(Math.floor(random() * (step + 1)));
              present.delete(gone);
              sorted.delete(gone);
            }
          }
          expect(sorted.size).toBe(present.size);
          for (let probe = 0; probe < 5; probe += 1) {
            const range = { key: keyAt(probe), rangeEnd: random() < 0.5 ? '\0' : keyAt(steps - probe) };
            const read: string[] = [];
            sorted.forEachIn(range, ({ key }) => read.push(key));
            expect(read).toEqual([...present].filter((key) => inRange(range, key)).sort());
          }
        },
      ),
      runs,
    );
  });

  test('ENGINE-7 leases come due in the order of their deadlines, never early, and not after they ended', () => {
    fc.assert(
      fc.property(fc.noShrink(fc.nat()), fc.integer({ min: 1, max: 300 }), (seed, steps) => {
        const random = randomFrom(seed);
        const table = new LeaseTable();
        const deadlines = new Map<string, number>();
        let nowMs = 0;
        for (let step = 0; step < steps; step += 1) {
          nowMs += Math.floor(random() * 700);
          const id = String(1 + Math.floor(random() * 20));
          const draw = random();
          if (draw < 0.4 && !deadlines.has(id)) {
            const ttlSeconds = 1 + Math.floor(random() * 9);
            table.add(id, ttlSeconds, nowMs + ttlSeconds * 1_000);
            deadlines.set(id, nowMs + ttlSeconds * 1_000);
          } else if (draw < 0.6) {
            const ttlSeconds = table.get(id)?.ttlSeconds ?? 0;
            expect(table.renew(id, nowMs)).toBe(deadlines.has(id));
            if (deadlines.has(id)) deadlines.set(id, nowMs + ttlSeconds * 1_000);
          } else if (draw < 0.7) {
            table.remove(id);
            deadlines.delete(id);
          }
          const next = deadlines.size === 0 ? undefined : Math.min(...deadlines.values());
          expect(table.nextExpiryMs()).toBe(next);
          const due = table.expired(nowMs);
          expect(due.map((lease) => lease.id)).toEqual(
            [...deadlines]
              .filter(([, deadline]) => deadline <= nowMs)
              .sort((a, b) => a[1] - b[1] || Number(a[0]) - Number(b[0]))
              .map(([name]) => name),
          );
          for (const lease of due) {
            table.remove(lease.id);
            deadlines.delete(lease.id);
          }
        }
      }),
      runs,
    );
  });
});
