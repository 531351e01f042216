import { expect, it } from 'vitest';
import { checkedDefinition, encodeDefinition } from '../../../src/queues/conditions/definition.js';
import { StoredTaskCheck } from '../../../src/queues/conditions/known-names.js';
import { QueueKeys } from '../../../src/queues/keys.js';
import { type KeyValue, noLease } from '../../../src/store/index.js';

const refused = expect.objectContaining({ code: 'invalid-argument' });
const graph = encodeDefinition(checkedDefinition({ tasks: { b: ['a'] } }));

function stored(keys: QueueKeys, modRevision: number, value: Uint8Array): readonly KeyValue[] {
  const key = keys.definitionKey;
  return [{ key, value, lease: noLease, createRevision: 1, modRevision, version: 1 }];
}

it('tasks are checked by each definition that is stored, whatever the object has', () => {
  for (const definition of [{}, { current: graph }]) {
    const keys = new QueueKeys('ns/queue/q/', 'condition', definition);
    const check = new StoredTaskCheck(keys);
    check.check(stored(keys, 2, graph), [{ task: 'a' }, {}, { task: 'b' }]);
    expect(() => check.check(stored(keys, 2, graph), [{}, { task: 'c' }])).toThrow(refused);
    const other = encodeDefinition(checkedDefinition({ tasks: { c: ['a'] } }));
    check.check(stored(keys, 3, other), [{ task: 'c' }]);
    expect(() => check.check(stored(keys, 3, other), [{ task: 'b' }])).toThrow(refused);
  }
});

it('what cannot be judged is not refused: no definition yet, one that cannot be read, a queue of another kind', () => {
  const keys = new QueueKeys('ns/queue/q/', 'condition');
  const check = new StoredTaskCheck(keys);
  check.check([], [{ task: 'z' }]);
  check.check(stored(keys, 2, Uint8Array.of(1)), [{ task: 'z' }]);
  new StoredTaskCheck(new QueueKeys('ns/queue/q/')).check(stored(keys, 2, graph), [{ task: 'z' }]);
});
