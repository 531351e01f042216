/** Bugs of transactions. */
import type { Mutant } from './mutant.js';

const call = 'src/atomics/stm/atomic-call.ts';
const commit = 'src/atomics/stm/commit-request.ts';
const reads = 'src/atomics/stm/reads.ts';
const hotKey = 'src/atomics/stm/hot-key.ts';
const killedBy = 'stm';

export const stmMutants: readonly Mutant[] = [
  {
    name: 'stm-lost-update',
    file: commit,
    find: '...(rules.keepsReads ? [...reads.keys].map(([key, seen]) => unchanged(key, seen)) : []),',
    replace: '...(rules.isSnapshot ? [] : [...reads.keys].map(([key, seen]) => unchanged(key, seen))),',
    story: 'read, compute, write, without looking whether it still is what was read',
    ...{ killedBy, invariant: 'STM-1, STM-5' },
  },
  {
    name: 'stm-phantoms',
    file: commit,
    find: '...(rules.keepsRanges ? this.#ranges.map((range) => noNewer(range, revision)) : []),',
    replace: '',
    story: 'of a range only the keys that were found are compared: what comes into it is not seen',
    ...{ killedBy, invariant: 'STM-1' },
  },
  {
    name: 'stm-range-without-its-keys',
    file: commit,
    find: "return compare.mod({ key }, 'equal', seen?.modRevision ?? 0);",
    replace:
      "return seen === undefined ? compare.mod({ key }, 'equal', 0) : compare.mod({ key }, 'less', seen.modRevision + 1);",
    story: 'what was deleted compares as older than everything: etcd keeps no revision of what is not there',
    ...{ killedBy, invariant: 'STM-1, STM-5' },
  },
  {
    name: 'stm-limit-taken-for-the-end',
    file: 'src/atomics/stm/run.ts',
    find: '{ ...keys, limit: limit + deleted }',
    replace: '{ ...keys, limit: Math.max(1, limit - 1) }',
    story: 'a limited range that looks at fewer keys than it answers for',
    ...{ killedBy, invariant: 'STM-1, STM-3' },
  },
  {
    name: 'stm-reads-of-now',
    file: reads,
    find: 'const at = rules.isSnapshot ? this.#revision : undefined;',
    replace: 'const at = undefined;',
    story: 'each key is read as it is at the moment: a run sees a state that never was, and may fail for it',
    ...{ killedBy, invariant: 'STM-3, STM-4' },
  },
  {
    name: 'stm-known-mixed-with-new',
    file: reads,
    find: 'if (this.#options.rules.isSnapshot && (this.#revision ?? known.revision) !== known.revision) return false;',
    replace: '',
    story: 'what a refusal told is laid beside what was read later',
    ...{ killedBy, invariant: 'STM-3' },
  },
  {
    name: 'stm-known-is-proof',
    file: reads,
    find: 'if (!isFresh || (this.#revision ?? revision) !== revision) this.#isProved = false;',
    replace: 'if ((this.#revision ?? revision) !== revision) this.#isProved = false;',
    story: 'who only reads is answered from what its process wrote last, though others have written since',
    ...{ killedBy, invariant: 'STM-1' },
  },
  {
    name: 'stm-repeated-reads-are-one-state',
    file: call,
    find: 'const proof = ended.isProved ? { revision: ended.revision ?? 0 } : await this.#prove(request);',
    replace: 'const proof = { revision: ended.revision ?? 0 };',
    story: 'a run that wrote nothing is believed without a look',
    ...{ killedBy, invariant: 'STM-1, STM-5' },
  },
  {
    name: 'stm-turn-is-enough',
    file: call,
    find: 'const commit = request.txn(leaving === undefined ? [] : [leaving]);',
    replace:
      'const whole = request.txn(leaving === undefined ? [] : [leaving]);\n    const commit = turn === undefined ? whole : { ...whole, compare: [] };',
    story: 'who holds the lock commits without a look: the lock may be gone, and others do not ask for it',
    ...{ killedBy, invariant: 'STM-1' },
  },
  {
    name: 'stm-known-though-refused',
    file: call,
    find: 'turn?.overtaken(seen);',
    replace: 'turn?.overtaken(request.known(revision));',
    story: 'what was to be written is taken for written',
    ...{ killedBy, invariant: 'STM-1, STM-3' },
  },
  {
    name: 'stm-blind-writes',
    file: commit,
    find: 'const checksBlind = rules.keepsWrites && reads.revision !== undefined;',
    replace: 'const checksBlind = false;',
    story: 'a serializable snapshot that lets the last of two writers win',
    ...{ killedBy, invariant: 'STM-4' },
  },
  {
    name: 'stm-thrown-and-written',
    file: call,
    find: "if ('thrown' in result || (run.writes.size === 0 && run.guards.isEmpty)) {",
    replace:
      "if ('thrown' in result) await this.#commit(ended);\n      if ('thrown' in result || (run.writes.size === 0 && run.guards.isEmpty)) {",
    story: 'a function that fails leaves half of its work behind',
    ...{ killedBy, invariant: 'STM-2' },
  },
  {
    name: 'stm-tried-again-though-unknown',
    file: 'src/atomics/stm/send-commit.ts',
    find: 'const reply = writes(request) ? send() : untilAnswered(client, signal, send);',
    replace:
      'const reply = writes(request) ? client.plainStore.txn(request, options).catch(() => send()) : untilAnswered(client, signal, send);',
    story:
      "etcd's Go library: a commit whose reply is lost past the lanes is found overtaken by itself, and made again",
    ...{ killedBy, invariant: 'STM-2' },
  },
  {
    name: 'stm-guard-asked-before',
    file: 'src/guard/guards.ts',
    find: 'this.#compare((guard as GuardingCompare).guard());',
    replace: '(guard as GuardingCompare).guard();',
    story: 'a session is looked at here, and not by the store with the commit',
    ...{ killedBy, invariant: 'STM-6' },
  },
  {
    name: 'stm-sent-once-more',
    file: call,
    find: 'if (reply.succeeded) return this.#committed(result, reply.revision);',
    replace:
      'if (reply.succeeded) await this.#commit(ended).catch(() => {});\n      if (reply.succeeded) return this.#committed(result, reply.revision);',
    story: 'a commit that is sent once more after it was answered, in case it was not applied',
    ...{ killedBy, invariant: 'STM-2' },
  },
  {
    name: 'stm-place-left-behind',
    file: hotKey,
    find: `      joining?.then(
        (place) => this.#line.leave(place),
        () => {},
      );`,
    replace: '      joining?.catch(() => {});',
    story: 'who gives up while it stands in the line stays there, as long as its session does',
    ...{ killedBy, invariant: 'LOCK-4' },
  },
];
