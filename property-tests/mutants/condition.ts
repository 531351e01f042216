/** Bugs of waits on a condition. */
import type { Mutant } from './mutant.js';

const condition = 'src/locks/condition.ts';
const wait = 'src/locks/condition/wait.ts';
const waiters = 'src/locks/condition/waiters.ts';
const killedBy = 'condition';

export const conditionMutants: readonly Mutant[] = [
  {
    name: 'condition-released-then-waits',
    file: wait,
    find: `compare: [...place.guards(), session.guard()],
        before: line.deletions(place),`,
    replace: `compare: [session.guard()],
        before: (await client.store.txn({ compare: place.guards(), success: place.claims.map(({ key }) => remove(key)), failure: [] }), []),`,
    story: 'the lost wake-up: the lock is given up first, and then the wait begins',
    ...{ killedBy, invariant: 'CONDITION-1, not live' },
  },
  {
    name: 'condition-waits-then-released',
    file: wait,
    find: 'before: line.deletions(place),',
    replace: 'before: [],',
    story: 'the wait begins first, and the lock is given up afterwards: it can be notified while it holds',
    ...{ killedBy, invariant: 'CONDITION-1' },
  },
  {
    name: 'condition-notifies-the-dead',
    file: waiters,
    find: "compare: [compare.mod(waiter.key, 'equal', waiter.modRevision), compare.create(place, 'equal', 0)],",
    replace: "compare: [compare.create(place, 'equal', 0)],",
    story: 'a notification is spent on one who has given up, whose place then blocks the lock',
    ...{ killedBy, invariant: 'not live, CONDITION-2, LOCK-4' },
  },
  {
    name: 'condition-notifies-without-the-lock',
    file: condition,
    find: 'const reply = await hold.txn({ compare, success }, left.forRequest());',
    replace:
      'const reply = await this.#client.store.txn({ compare, success, failure: [] }, left.forRequest());',
    story: 'pthread_cond_signal without the mutex: whoever has lost the lock still wakes others',
    ...{ killedBy, invariant: 'CONDITION-2' },
  },
  {
    name: 'condition-last-first',
    file: waiters,
    find: "sort: { target: 'create', order: 'ascend' }",
    replace: "sort: { target: 'create', order: 'descend' }",
    story: 'who has waited longest is notified last, and starves',
    ...{ killedBy, invariant: 'CONDITION-2' },
  },
  {
    name: 'condition-swallows-a-notification',
    file: wait,
    find: 'if (this.#wasNotified) await passOn({ client, line, waiters, place });\n    else await line.leave(place);',
    replace: 'await line.leave(place);',
    story: 'a signal is consumed by one who gives up, as conditions of java.util.concurrent take care not to',
    ...{ killedBy, invariant: 'CONDITION-2, not live' },
  },
  {
    name: 'condition-adopts-without-a-look',
    file: wait,
    find: 'const place = await this.#coming.find();',
    replace: `const seen = await this.#coming.find();
    const { claims, stem, revision } = seen;
    const unlooked = { claims, stem, revision, session: this.#session, asOf: revision, older: new Map() };
    const place = seen.state.status === 'gone' ? seen : new (seen.constructor as new (parts: object) => Place)(unlooked);`,
    story: 'Mesa semantics forgotten: who is woken takes itself for the holder, without its turn',
    ...{ killedBy },
  },
  {
    name: 'condition-woken-is-forgotten',
    file: wait,
    find: 'place ??= await this.#join(backoff, givenUp);',
    replace:
      'if (this.#wasNotified) place ??= await this.#join(backoff, givenUp);\n      else await untilFired(givenUp, new Promise(() => {}));',
    story: 'who is woken by a deletion waits on for a place that nobody gives it',
    ...{ killedBy, invariant: 'not live' },
  },
  {
    name: 'condition-withdraws-blindly',
    file: wait,
    find: 'return reply?.succeeded !== false;',
    replace: 'return reply !== null;',
    story: 'a timeout that races with a notification: the waiter has gone, its place stays in the line',
    ...{ killedBy, invariant: 'not live, LOCK-4, CONDITION-2' },
  },
  {
    name: 'condition-passed-on-beside-a-hand-over',
    file: 'src/locks/condition/pass-on.ts',
    find: 'const isAnother = () => place.claims !== claims;',
    replace: 'const isAnother = () => claims.length === 0;',
    story:
      'our own, found by a review: who gave up as it was handed the lock took the others for gone, and kept its notification',
    ...{ killedBy, invariant: 'CONDITION-2' },
  },
  {
    name: 'condition-place-left-to-others',
    file: 'src/locks/hold.ts',
    find: 'if (this.#undecided !== undefined) await this.#undecided;',
    replace: '',
    story:
      'our own, found by this property: a wait given up on its way left its place to the next caller of the process',
    ...{ killedBy, invariant: 'LOCK-9' },
  },
];
