import { expect, it } from 'vitest';
import { gateKey, namedIn, taskKey } from '../../../src/queues/conditions/condition-keys.js';
import { conditionChangeOf, storedConditions } from '../../../src/queues/conditions/read-conditions.js';
import { QueueKeys } from '../../../src/queues/keys.js';
import { noLease } from '../../../src/store/index.js';

const keys = new QueueKeys('ns/queue/q/', 'condition');

it('names are found in keys as they were given', () => {
  for (const name of ['a', 'a/b', '100%', 'é ✓']) {
    expect(namedIn(keys, 'task', taskKey(keys, name))).toBe(name);
    expect(namedIn(keys, 'gate', gateKey(keys, name))).toBe(name);
    expect(namedIn(keys, 'gate', taskKey(keys, name))).toBeUndefined();
  }
});

it('a key that was written by hand, and is that of no name, is passed over', () => {
  const own = {
    ...{ key: taskKey(keys, 'a'), value: new Uint8Array(), lease: noLease },
    ...{ createRevision: 3, modRevision: 3, version: 1 },
  };
  const handmade = { ...own, key: `${keys.conditions.key}task/100%` };
  expect(namedIn(keys, 'task', handmade.key)).toBeUndefined();
  // They decode to a name, and are not the keys by which that is released.
  for (const spelled of ['%61', 'a b', '%c3%a9', 'a/b']) {
    expect(namedIn(keys, 'task', `${keys.conditions.key}task/${spelled}`)).toBeUndefined();
    expect(namedIn(keys, 'gate', `${keys.conditions.key}gate/${spelled}`)).toBeUndefined();
  }
  expect(conditionChangeOf(keys, { type: 'put', kv: handmade })).toBeUndefined();
  const none = { type: 'range', kvs: [], count: 0, more: false } as const;
  const stored = storedConditions(keys, [none, { ...none, kvs: [handmade, own], count: 2 }]);
  expect([...stored.done]).toEqual(['a']);
});
