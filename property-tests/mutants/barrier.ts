/** Bugs of gates, and of following the one key that they are. */
import type { Mutant } from './mutant.js';

const barrier = 'src/barriers/barrier.ts';
const hold = 'src/barriers/gate-hold.ts';
const follower = 'src/watch/fact-follower.ts';
const killedBy = 'barrier';

export const barrierMutants: readonly Mutant[] = [
  {
    name: 'barrier-cut-is-a-release',
    file: follower,
    find: 'this.#tellAll(this.known);',
    replace: "this.#tellAll({ status: 'absent', revision: this.#asOf });",
    story: "etcd's recipe Barrier: Wait returns nil when its watch ends, whatever ended it",
    ...{ killedBy, invariant: 'BARRIER-1' },
  },
  {
    name: 'barrier-missed-while-cut',
    file: follower,
    find: 'if (this.#state === undefined || item.revision > this.#asOf) this.#look();',
    replace: 'if (this.#state === undefined) this.#look();',
    story: 'a watch that was reopened goes on with the events after it: the release in between is lost',
    ...{ killedBy, invariant: 'BARRIER-2, not live' },
  },
  {
    name: 'barrier-waits-for-absence-alone',
    file: barrier,
    find: "(state) => state.status === 'absent' || state.kv.createRevision > createRevision || undefined,",
    replace: "(state) => state.status === 'absent' || undefined,",
    story: 'an opening that was closed again while the watch was cut releases nobody',
    ...{ killedBy, invariant: 'BARRIER-2, not live' },
  },
  {
    name: 'barrier-believes-its-watch',
    file: barrier,
    find: 'const first = await this.#gate.read({ signal });',
    replace:
      "const first = this.#gate.known.status === 'absent' ? this.#gate.known : await this.#gate.until((state) => state, { signal });",
    story: 'a local cache is asked whether the gate is open: one that was closed before the call is passed',
    ...{ killedBy, invariant: 'BARRIER-1' },
  },
  {
    name: 'barrier-closed-over',
    file: barrier,
    find: "compare: [compare.create(this.#key, 'equal', 0), session.guard()],",
    replace: 'compare: [session.guard()],',
    story: 'whoever closes last owns the gate, and the one before it opens what it does not hold',
    ...{ killedBy, invariant: 'BARRIER-3' },
  },
  {
    name: 'barrier-opened-unguarded',
    file: hold,
    find: 'compare: [this.guard()], success:',
    replace: 'compare: [], success:',
    story: 'a release that comes late opens the gate of the next holder',
    ...{ killedBy, invariant: 'BARRIER-3' },
  },
  {
    name: 'barrier-persistent-on-a-lease',
    file: barrier,
    find: 'success: [put(this.#key, value)],',
    replace: 'success: [put(this.#key, value, { lease: (await this.#client.session(options)).leaseId })],',
    story: 'what was closed on purpose opens with its process',
    ...{ killedBy, invariant: 'BARRIER-3' },
  },
  {
    name: 'barrier-never-leased',
    file: barrier,
    find: 'put(this.#key, value, { lease: session.leaseId })',
    replace: 'put(this.#key, value)',
    story:
      "etcd's recipe Barrier: Hold puts its key on no lease, and a holder that died closes the gate for ever",
    ...{ killedBy, invariant: 'BARRIER-3' },
  },
];
