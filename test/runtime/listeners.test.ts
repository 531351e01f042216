import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { Listeners } from '../../src/runtime/index.js';

class Nasty extends Error {
  override get stack(): string {
    throw new Error('not that either');
  }

  override set stack(_text: string) {}
}

const thrown: readonly (readonly [string, unknown])[] = [
  ['an error', new Error('no')],
  ['a text', 'no'],
  ['nothing', undefined],
  ['a symbol', Symbol('no')],
  ['an object without a prototype', Object.create(null)],
  [
    'an object whose toString throws',
    {
      toString: () => {
        throw new Error('no text');
      },
    },
  ],
  ['an error whose stack throws', new Nasty('no')],
];

describe('Listeners', () => {
  it.each([undefined, null, 5, 'text', {}])('refuse %s at once, and not when it would be called', (given) => {
    expect(() => new Listeners<number>().add(given as never)).toThrow(
      /the listener is .*; accepted: a function/,
    );
  });

  it.each(thrown)(
    'outlive %s, thrown, rejected, and of a thenable, and all others are told',
    async (_what, error) => {
      const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
      const listeners = new Listeners<number>();
      const told: number[] = [];
      listeners.add(() => {
        throw error;
      });
      listeners.add(async () => {
        throw error;
      });
      listeners.add((() => ({
        // biome-ignore lint/suspicious/noThenProperty: a thenable that is no promise
        then: (_resolve: unknown, reject: (error: unknown) => void) => reject(error),
      })) as () => void);
      listeners.add((value) => told.push(value));
      for (const value of [1, 2]) listeners.emit(value);
      expect(told).toEqual([1, 2]);
      await delay(1);
      expect(warnings).toHaveBeenCalledTimes(6);
      for (const [warning] of warnings.mock.calls) {
        expect(warning instanceof Error || typeof warning === 'string').toBe(true);
      }
      warnings.mockRestore();
    },
  );
});
