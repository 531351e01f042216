import { expect, it } from 'vitest';
import { checkRule, grown, nobody, type StoredRule, takes } from '../../src/config/rollout/rule.js';
import { shareOf } from '../../src/config/rollout/share.js';
import { checkScope, keyOfScope, scopeOfKey, scopesOf } from '../../src/config/scope.js';

const instances = Array.from({ length: 20_000 }, (_none, index) => ({ id: `web-${index}` }));

const takersOf = (id: string, rule: StoredRule) => instances.filter((instance) => takes(id, rule, instance));

it.each([1, 10, 50, 99])(
  'CONFIG-4 %i percent of many instances take it, whatever their ids look like',
  (percent) => {
    for (const id of ['a', 'b', '00ff00ff00ff00ff']) {
      const share = takersOf(id, grown(nobody, { percent })).length / instances.length;
      // Five standard deviations.
      const deviation = Math.sqrt((percent / 100) * (1 - percent / 100) * (1 / instances.length));
      expect(Math.abs(share - percent / 100)).toBeLessThan(5 * deviation);
    }
  },
);

it('CONFIG-4 none take it at 0 percent, all at 100', () => {
  expect(takersOf('a', grown(nobody, { percent: 0 }))).toEqual([]);
  expect(takersOf('a', grown(nobody, { percent: 100 }))).toHaveLength(instances.length);
});

it('CONFIG-4 who takes it keeps it while it grows, also by a rule that alone would leave it out', () => {
  let rule = grown(nobody, { percent: 10, instances: ['web-7'], labels: { zone: 'a' } });
  let before = takersOf('x', rule);
  for (const more of [
    { percent: 5 },
    { percent: 20 },
    { addresses: ['10.0.0.1'] },
    { labels: { zone: 'b' } },
  ]) {
    rule = grown(rule, more);
    const now = new Set(takersOf('x', rule));
    expect(before.filter((instance) => !now.has(instance))).toEqual([]);
    before = [...now];
  }
  expect(takes('x', rule, { id: 'web-7' })).toBe(true);
  expect(takes('x', rule, { id: 'none', labels: { zone: 'a' } })).toBe(true);
  expect(takes('x', rule, { id: 'none', labels: { zone: 'b' } })).toBe(true);
  expect(rule.percent).toBe(20);
});

it('CONFIG-4 it is not the same instances that are first in every rollout', () => {
  const rule = grown(nobody, { percent: 10 });
  const first = new Set(takersOf('one', rule));
  const both = takersOf('another', rule).filter((instance) => first.has(instance));
  expect(both.length / instances.length).toBeLessThan(0.02);
});

it('is the same hash in every version: what a fleet has taken stays so over an update', () => {
  expect(shareOf('one', 'web-1')).toBe(0.7547020365018398);
  expect(shareOf('', '')).toBe(0.13482068409211934);
  expect(shareOf('é', '日本')).toBe(0.05159804946742952);
});

it('names by id, by address, by all labels of a rule', () => {
  const rule = grown(nobody, {
    instances: ['a'],
    addresses: ['10.0.0.1'],
    labels: { zone: 'x', tier: 'web' },
  });
  expect(takes('r', rule, { id: 'a' })).toBe(true);
  expect(takes('r', rule, { id: 'b' })).toBe(false);
  expect(takes('r', rule, { id: 'b', addresses: ['10.0.0.2', '10.0.0.1'] })).toBe(true);
  expect(takes('r', rule, { id: 'b', labels: { zone: 'x' } })).toBe(false);
  expect(takes('r', rule, { id: 'b', labels: { zone: 'x', tier: 'web', more: '' } })).toBe(true);
});

it.each([
  [undefined, 'undefined'],
  [{}, 'nobody'],
  [{ percent: 101 }, 'percent'],
  [{ percent: Number.NaN }, 'percent'],
  [{ instances: 'web-1' }, 'instances'],
  [{ labels: {} }, 'everybody'],
  [{ labels: { zone: 1 } }, 'labels'],
])('refuses the rule %j', (rule, what) => {
  expect(() => checkRule(rule)).toThrow(what);
});

it('scopes are merged from the base on, and are keys and back', () => {
  expect(scopesOf('')).toEqual(['']);
  expect(scopesOf('production/eu-1')).toEqual(['', 'production', 'production/eu-1']);
  for (const scope of ['', 'a', 'a b/ü/%2F']) expect(scopeOfKey(keyOfScope(scope))).toBe(scope);
  for (const wrong of ['/', 'a/', '/a', 'a//b', 'a/b/c/d/e/f/g/h/i', 7, undefined]) {
    expect(() => checkScope(wrong)).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  }
});
