import { expect, it } from 'vitest';
import { differencesBetween } from '../../src/config/index.js';
import { mergePatch } from '../../src/config/merge-patch.js';

/** The cases of RFC 7396, appendix A. */
it.each([
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [
    ['a', 'b'],
    ['c', 'd'],
    ['c', 'd'],
  ],
  [{ a: 'b' }, ['c'], ['c']],
  [{ a: 'foo' }, null, null],
  [{ a: 'foo' }, 'bar', 'bar'],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
])('%j, patched with %j, is %j', (target, patch, result) => {
  expect(mergePatch(target, patch)).toEqual(result);
});

it('a field may have any name, and what is patched is left as it was', () => {
  const target = JSON.parse('{"a": {"b": 1}}') as object;
  const patch = JSON.parse('{"__proto__": {"polluted": true}, "a": {"b": 2}}') as object;
  const merged = mergePatch(target, patch) as object;
  expect(JSON.stringify(merged)).toBe('{"a":{"b":2},"__proto__":{"polluted":true}}');
  expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
  expect(target).toEqual({ a: { b: 1 } });
});

it('tells differences by JSON pointers, and arrays as a whole', () => {
  const before = { 'a/b': 1, 'c~d': { e: [1, 2], f: 'same' }, gone: null };
  const after = { 'a/b': 2, 'c~d': { e: [1], f: 'same' }, come: false };
  expect(differencesBetween(before, after)).toEqual([
    { path: '/a~1b', before: 1, after: 2 },
    { path: '/c~0d/e', before: [1, 2], after: [1] },
    { path: '/gone', before: null },
    { path: '/come', after: false },
  ]);
  expect(differencesBetween(before, structuredClone(before))).toEqual([]);
  expect(differencesBetween(undefined, 3)).toEqual([{ path: '', after: 3 }]);
  expect(differencesBetween(new Uint8Array([1]), new Uint8Array([1]))).toEqual([]);
  expect(differencesBetween(new Uint8Array([1]), new Uint8Array([2]))).toHaveLength(1);
});
