/** Bugs of latches. */
import type { Mutant } from './mutant.js';

const latch = 'src/barriers/count-down-latch.ts';
const killedBy = 'latch';

export const latchMutants: readonly Mutant[] = [
  {
    name: 'latch-opens-one-early',
    file: latch,
    find: "const isLast = compare.version(counter, 'equal', count - 1);",
    replace: "const isLast = compare.version(counter, 'equal', Math.max(1, count - 2));",
    story: 'the version before the write is taken for the one after it',
    ...{ killedBy, invariant: 'LATCH-1, LATCH-3' },
  },
  {
    name: 'latch-counts-twice',
    file: latch,
    find: "const isNew = [compare.create(arrival, 'equal', 0), compare.create(open, 'equal', 0)];",
    replace: "const isNew = [compare.create(open, 'equal', 0)];",
    story: 'an arrival that is said again counts again, as in every latch that keeps a number',
    ...{ killedBy, invariant: 'LATCH-1, LATCH-3' },
  },
  {
    name: 'latch-opened-apart',
    file: latch,
    find: 'success: [nested({ compare: [isLast], success: opening, failure: counting })],',
    replace: 'success: [nested({ compare: [], success: counting, failure: [] })],',
    story: 'the last arrival is counted and whoever sent it dies before it opens the latch',
    ...{ killedBy, invariant: 'LATCH-1, not live' },
  },
  {
    name: 'latch-sent-once-more',
    file: latch,
    find: 'return this.#counted(await store.txn(request, left.all()));',
    replace: `await store.txn(request, left.all());
        return this.#counted(await store.txn(request, left.all()));`,
    story:
      'an arrival that is sent once more, in case it was not applied: it is told that another had been counted',
    ...{ killedBy, invariant: 'LATCH-3' },
  },
  {
    name: 'latch-arrivals-on-a-lease',
    file: latch,
    find: 'const request = this.#counting(id);',
    replace: `const plain = this.#counting(id);
    const { leaseId } = await this.#client.session(options).catch(() => ({ leaseId: undefined }));
    const leased = (ops: readonly Op[]): Op[] => ops.map((op) => op.type === 'txn' ? { ...op, success: leased(op.success), failure: leased(op.failure) } : op.type === 'put' && op.value.length === 0 ? { ...op, lease: leaseId } : op);
    const request = { ...plain, success: leased(plain.success), failure: leased(plain.failure) };`,
    story: 'what a process has done is taken back when it dies: Curator has its members as ephemeral nodes',
    ...{ killedBy, invariant: 'LATCH-1' },
  },
  {
    name: 'latch-absent-is-open',
    file: latch,
    find: "(state) => (state.status === 'present' && this.#checked([state.kv]).isOpen) || undefined,",
    replace:
      "(state) => (state.revision > 0 && (state.status === 'absent' || this.#checked([state.kv]).isOpen)) || undefined,",
    story: 'a wait returns with whatever it is told first',
    ...{ killedBy, invariant: 'LATCH-2' },
  },
];
