import { expect, it } from 'vitest';
import { History } from '../../src/checkers/index.js';
import { checkLockDelay } from '../../src/checkers/lock-delay.js';
import type { Grant } from '../../src/checkers/mutex.js';
import { bytesOf } from '../../src/store/index.js';

/** Something is written at 1 s, 2 s, and so on. */
const history = new History(
  [1, 2, 3, 4].map((revision) => ({
    revision,
    atMs: revision * 1_000,
    events: [
      {
        type: 'put' as const,
        kv: {
          ...{ key: 'k', value: bytesOf(''), createRevision: 1, modRevision: revision },
          ...{ version: revision, lease: '0' },
        },
      },
    ],
  })),
);
const lost: Grant = { process: 'p1', place: 'l/a', token: 1_024, grantedAtMs: 1_000, endedAtMs: 1_500 };
const next: Grant = { process: 'p2', place: 'l/b', token: 3 * 1_024, grantedAtMs: 3_200 };
const grants = [next, lost];

it('LOCK-11 counts the delay from the end of a belief to the proof of the next grant', () => {
  expect(checkLockDelay({ history, grants, losses: [lost], lockDelayMs: 1_500 })).toBe(1);
  expect(checkLockDelay({ history, grants, losses: [], lockDelayMs: 60_000 })).toBe(0);
  expect(checkLockDelay({ history, grants: [lost], losses: [lost], lockDelayMs: 60_000 })).toBe(0);
  expect(() => checkLockDelay({ history, grants, losses: [lost], lockDelayMs: 1_501 })).toThrow('LOCK-11');
});
