import { describe, expect, it } from 'vitest';
import { checkQueueConditions } from '../../src/checkers/index.js';
import {
  encodeGateValue,
  encodeReleased,
  gateKey,
  purgedKey,
  releasedKey,
  taskKey,
} from '../../src/queues/conditions/condition-keys.js';
import { checkedDefinition, encodeDefinition } from '../../src/queues/conditions/definition.js';
import {
  all,
  any,
  atLeast,
  atMost,
  type ConditionDefinition,
  differs,
  done,
  equals,
  type GatePredicate,
  type GateValue,
  gate,
  oneOf,
  present,
  size,
} from '../../src/queues/index.js';
import { type ItemId, itemId, QueueKeys } from '../../src/queues/keys.js';
import { encodeItem, encodeRecord } from '../../src/queues/records/index.js';
import { bytesOf } from '../../src/store/index.js';
import { brokenBy, Story } from './story.js';

const prefix = 'queue/q/';
const keys = new QueueKeys(prefix, 'condition');

/** A condition queue, told in the words of its protocol. Items are named by letters. */
class ConditionStory extends Story {
  readonly #items = new Map<string, { id: ItemId; create: number }>();

  constructor(definition: ConditionDefinition) {
    super();
    this.put(keys.candidate('w'), '', '7');
    this.define(definition);
  }

  define(definition: ConditionDefinition): this {
    this.put(keys.definitionKey, encodeDefinition(checkedDefinition(definition)));
    return this;
  }

  enqueue(names: string, task?: string, readAt = this.revision): this {
    for (const [index, name] of [...names].entries()) {
      const id = itemId(readAt, 'p', this.revision + index);
      const traits = task === undefined ? undefined : { task };
      const create = this.put(keys.item(id), encodeItem(bytesOf(`"${name}"`), 0, traits));
      this.#items.set(name, { id, create });
    }
    return this;
  }

  id(name: string): ItemId {
    return this.#items.get(name)?.id ?? '';
  }

  /** Everything up to an item, or for good. */
  release(last?: string): this {
    const upTo = last === undefined ? undefined : `${this.id(last)}/`;
    this.step({
      [releasedKey(keys)]: { value: encodeReleased(upTo) },
      ...(upTo === undefined ? {} : { [keys.gate]: { value: upTo } }),
    });
    return this;
  }

  give(names: string): this {
    const jobs = [...names].map((name) => {
      const { id, create } = this.#items.get(name) as { id: ItemId; create: number };
      return { id, create, generation: 0, failures: 0, losses: 0 };
    });
    this.put(`${keys.recordsOf('w').key}${this.revision}`, encodeRecord(jobs));
    return this;
  }

  /** Acknowledges an item, as one of a task if one is said. */
  done(name: string, task?: string): this {
    const fact = task === undefined ? {} : { [taskKey(keys, task)]: { value: this.id(name) } };
    this.step({ [keys.item(this.id(name))]: {}, ...fact });
    return this;
  }

  gate(value: GateValue, name = 'g'): this {
    this.put(gateKey(keys, name), encodeGateValue(value));
    return this;
  }

  purge(names: string): this {
    const items = [...names].map((name) => [keys.item(this.id(name)), {}]);
    this.step({ ...Object.fromEntries(items), [purgedKey(keys)]: { value: '' } });
    return this;
  }
}

function check(story: Story, settled = false) {
  return () => checkQueueConditions({ history: story.history(), prefix, settled });
}

function verdict(story: Story, settled = false): string {
  return brokenBy(check(story, settled));
}

describe('checkQueueConditions', () => {
  it('counts what it checked of a history that keeps every promise', () => {
    const story = new ConditionStory({ when: any(size(2), gate('g', equals(1))), tasks: { t: ['s'] } });
    story.enqueue('a', 't').enqueue('b').enqueue('c', 's').release('b').give('b').done('b');
    story.gate(1).release('c').give('c').done('c', 's').give('a').gate(0);
    story
      .enqueue('def')
      .purge('d')
      .done('e')
      .define({ when: size(1), release: 'latched' });
    story.release().give('f').remove(keys.candidate('w'));
    expect(check(story, true)()).toEqual({
      ...{ releases: 3, batches: 1, openings: 1, byFactsAlone: 1, cancelledGathered: 1, purgedGathered: 1 },
      ...{ takeoversWhileGathering: 0, definedWhileGathering: 1, takeoversWithHeldTask: 0 },
      ...{ passedHeldTask: 2, tasksInOrder: 1 },
    });
  });

  it('counts changes of the dispatcher while something waits', () => {
    const story = new ConditionStory({ when: size(1), tasks: { t: ['s'] } });
    story.enqueue('ab', 't').release('a').remove(keys.candidate('w'));
    expect(check(story)()).toMatchObject({ takeoversWhileGathering: 1, takeoversWithHeldTask: 1 });
  });

  it('QUEUE-25 something is given out that is not released', () => {
    const begun = () => new ConditionStory({ when: size(1) }).enqueue('ab');
    expect(verdict(begun().give('a'))).toBe('QUEUE-25');
    expect(verdict(begun().release('a').give('b'))).toBe('QUEUE-25');
    expect(verdict(begun().release('a').give('a'))).toBe('nothing');
    // In the same revision it was not released yet.
    const early = begun();
    const job = { id: early.id('a'), create: 4, generation: 0, failures: 0, losses: 0 };
    early.step({
      [`${keys.recordsOf('w').key}1`]: { value: encodeRecord([job]) },
      [releasedKey(keys)]: { value: encodeReleased(`${early.id('a')}/`) },
    });
    expect(verdict(early)).toBe('QUEUE-25');
  });

  it('QUEUE-25 an item comes to be among what was released, or the bound goes back', () => {
    const begun = () => new ConditionStory({ when: size(1) }).enqueue('ab').release('a');
    expect(verdict(begun().enqueue('c', undefined, 1))).toBe('QUEUE-25');
    expect(verdict(begun().release('b').release('a'))).toBe('QUEUE-25');
    const open = new ConditionStory({}).enqueue('a').release();
    expect(verdict(open.release('a'))).toBe('QUEUE-25');
  });

  it('QUEUE-26 a release is of too few, too many, or of none that the condition asks for', () => {
    const begun = () => new ConditionStory({ when: size(2) }).enqueue('abcd');
    expect(verdict(begun().release('a'))).toBe('QUEUE-26');
    expect(verdict(begun().release('c'))).toBe('QUEUE-26');
    expect(verdict(begun().release('b'))).toBe('nothing');
    expect(verdict(begun().release('d'))).toBe('nothing');
    expect(verdict(begun().done('b').release('b'))).toBe('QUEUE-26');
    expect(verdict(begun().purge('b').release('c'))).toBe('nothing');
    expect(verdict(begun().release())).toBe('QUEUE-26');
    const latched = new ConditionStory({ when: size(2), release: 'latched' }).enqueue('a');
    expect(verdict(latched.release())).toBe('QUEUE-26');
    expect(verdict(latched.enqueue('b').release('b'))).toBe('QUEUE-26');
    const undefinedYet = new ConditionStory({ when: size(2) });
    undefinedYet.entries.splice(0);
    expect(verdict(undefinedYet.release())).toBe('QUEUE-26');
  });

  it('QUEUE-26 a release reaches farther than the tasks that it waited for', () => {
    const begun = () =>
      new ConditionStory({ when: present('s', 't') })
        .enqueue('a', 't')
        .enqueue('b')
        .enqueue('c', 's')
        .enqueue('d');
    expect(verdict(begun().release('c'))).toBe('nothing');
    expect(verdict(begun().release('b'))).toBe('QUEUE-26');
    expect(verdict(begun().release('d'))).toBe('QUEUE-26');
  });

  it.each<[string, GatePredicate, GateValue, GateValue]>([
    ['equals', equals('x'), 'x', 'y'],
    ['differs', differs(1), 2, 1],
    ['oneOf', oneOf(1, null), null, 2],
    ['atLeast', atLeast(3), 3, 2],
    ['atLeast, a number', atLeast(3), 4, '4'],
    ['atMost', atMost(3), 3, 4],
  ])('QUEUE-26 a gate is not set so: %s', (_, is, open, closed) => {
    const begun = () => new ConditionStory({ when: all(gate('g', is), size(1)) }).enqueue('a');
    expect(verdict(begun().gate(open).release('a'))).toBe('nothing');
    expect(verdict(begun().gate(open).gate(closed).release('a'))).toBe('QUEUE-26');
    expect(verdict(begun().release('a'))).toBe('QUEUE-26');
  });

  it('QUEUE-26 what the condition lets go is never released', () => {
    const begun = () => new ConditionStory({ when: any(size(2), done('s')) }).enqueue('a');
    expect(verdict(begun(), true)).toBe('nothing');
    expect(verdict(begun().enqueue('b'), true)).toBe('QUEUE-26');
    const marked = begun();
    marked.put(taskKey(keys, 's'), '');
    expect(verdict(marked, true)).toBe('QUEUE-26');
    expect(verdict(marked.release('a'), true)).toBe('nothing');
    expect(verdict(new ConditionStory({}), true)).toBe('QUEUE-26');
  });

  it('QUEUE-27 a task is given out before one of those that it comes after', () => {
    const begun = () =>
      new ConditionStory({ tasks: { u: ['s', 't'] } })
        .enqueue('a', 'u')
        .enqueue('b', 's')
        .enqueue('c', 't')
        .release();
    expect(verdict(begun().give('a'))).toBe('QUEUE-27');
    const half = () => begun().give('bc').done('b', 's');
    expect(verdict(half().give('a'))).toBe('QUEUE-27');
    expect(verdict(half().done('c', 't').give('a'))).toBe('nothing');
    // By the definition of then.
    expect(
      verdict(
        half()
          .define({ tasks: { u: ['s'] } })
          .give('a'),
      ),
    ).toBe('nothing');
  });

  it('QUEUE-27 a task is completed by something else than an acknowledgement, or not any more', () => {
    const begun = () => new ConditionStory({}).enqueue('a', 's').enqueue('b').release();
    const lettered = begun();
    lettered.step({
      [keys.item(lettered.id('a'))]: {},
      [keys.deadLetter(lettered.id('a'))]: { value: '' },
      [taskKey(keys, 's')]: { value: lettered.id('a') },
    });
    expect(verdict(lettered)).toBe('QUEUE-27');
    const alone = begun();
    alone.put(taskKey(keys, 's'), alone.id('a'));
    expect(verdict(alone)).toBe('QUEUE-27');
    expect(verdict(begun().done('b', 's'))).toBe('QUEUE-27');
    const taken = begun().done('a', 's');
    expect(verdict(taken)).toBe('nothing');
    taken.remove(taskKey(keys, 's'));
    expect(verdict(taken)).toBe('QUEUE-27');
  });
});
