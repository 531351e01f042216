import { describe, expect, it } from 'vitest';
import { type ConfigFilesNote, checkConfigFiles, isFollowedByRun } from '../../src/checkers/index.js';

const pair = (n: number) => ({ a: n, b: n });
const newest = (revision: number | undefined, n?: number): ConfigFilesNote => ({
  ...{ type: 'newest', revision, pair: n === undefined ? undefined : pair(n) },
});
const kept = (revision: number): ConfigFilesNote => ({ type: 'kept', revision });
const file = (n: number): ConfigFilesNote => ({ type: 'file', pair: pair(n) });
const begins: ConfigFilesNote = { type: 'begins', process: 'p' };
const offline = (revision: number, n: number): ConfigFilesNote => ({
  ...{ type: 'offline', process: 'p', revision, pair: pair(n) },
});
const refused = (reason: string): ConfigFilesNote => ({ type: 'refused', process: 'p', reason });

describe('the checker of a configuration on disk', () => {
  it('is content with what should be', () => {
    checkConfigFiles([
      ...[begins, refused('missing'), newest(5, 1), kept(5), newest(9, 2), kept(9), begins, offline(9, 2)],
      ...[file(1), { type: 'files-changed' }, file(2), { type: 'machine-crashed' }, file(1), file(3)],
      ...[{ type: 'damaged' }, newest(9, 3), refused('damaged')],
      ...[
        { type: 'run-begins', life: 'p.0' },
        { type: 'run-begins', life: 'p.1' },
      ],
    ] as ConfigFilesNote[]);
  });

  it.each<[string, ConfigFilesNote[]]>([
    ['CONFIG-10', [newest(9, 2), kept(9), newest(5, 1)]],
    ['CONFIG-10', [newest(9, 2), kept(9), newest(undefined)]],
    ['CONFIG-10', [newest(9, 2), newest(9, 3)]],
    ['CONFIG-10', [newest(9, 2), newest(12, 1)]],
    ['CONFIG-10', [{ type: 'newest', revision: 5, pair: 'torn' }]],
    ['CONFIG-10', [{ type: 'newest', revision: 5, pair: { a: 1, b: 2 } }]],
    ['CONFIG-10', [kept(9), begins, offline(5, 1)]],
    ['CONFIG-10', [kept(9), begins, refused('missing')]],
    ['CONFIG-10', [begins, refused('damaged')]],
    ['CONFIG-11', [file(2), file(1)]],
    ['CONFIG-11', [file(2), { type: 'file', pair: undefined }]],
    ['CONFIG-11', [{ type: 'file', pair: 'torn' }]],
    ['CONFIG-11', [{ type: 'file', pair: { a: 1, b: 2 } }]],
    ['CONFIG-11', [file(2), { type: 'files-changed' }, { type: 'machine-crashed' }, file(1)]],
    [
      'CONFIG-12',
      [
        { type: 'run-begins', life: 'p.0' },
        { type: 'run-begins', life: 'p.0' },
      ],
    ],
  ])('names %s', (id, notes) => {
    expect(() => checkConfigFiles(notes)).toThrow(id);
  });

  it('CONFIG-12 knows whether a run that succeeded began after the last change', () => {
    const [begin, end] = [
      { type: 'run-begins', life: 'p' } as const,
      { type: 'run-ends', life: 'p', isDone: true } as const,
    ];
    expect(isFollowedByRun([])).toBe(true);
    expect(isFollowedByRun([file(1), begin, end])).toBe(true);
    expect(isFollowedByRun([begin, file(1), end])).toBe(false);
    expect(isFollowedByRun([file(1), begin, { ...end, isDone: false }])).toBe(false);
    expect(isFollowedByRun([file(1), begin, end, file(1)])).toBe(true);
  });
});
