/**
 * A double barrier: members enter together, once as many as it takes are there, and leave together, once all have left. Then the
 * next round may begin.
 *
 * **Keys** `{ns}/double-barrier/{name}/…`:
 * - `p/{id}`, leased: somebody who waits to enter, or is inside. Its create revision is its rank.
 * - `q/{id}`, leased: somebody who has left, and waits for the others.
 * - `state`: round, phase (`entering`, `inside`, `broken`) and `upTo`: members up to that rank were let in. The one fact that all wait for.
 * - `n/came`, `n/left`: put by who comes and by who leaves, so that their versions count them: who came, has not left, and has no key has
 *   died. `n/lost`: how many deaths have had their consequence. `e`: put, and the numbers deleted, by who comes when nobody is
 *   there; it is not counted itself. `cfg`: the size and the policy, which all must agree upon.
 *
 * **Transactions**, all through the exactly-once store; s is the revision that wrote the state:
 * - come: `IF cfg = ours, anchor stands THEN put p/me, {IF p/ and q/ are empty THEN put e, delete n/ ELSE put n/came}, {IF create(state) = 0 THEN put
 *   state}, look ELSE {the same for the first of all}`. The look reads state, numbers, how many there are and the oldest two.
 * - let in: `IF mod(state) = s, n/left and e as they were at the look THEN put state (inside, upTo)`, where upTo is the rank of the n-th.
 *   By whoever came as the n-th, or by a look. Those who come later are of the next round.
 * - leave: `IF mod(p/me) = m THEN delete p/me, put n/left, put q/me, look`. Whoever waits to enter no more does the same without q/me.
 * - begin the next round: `IF mod(state) = s THEN put state (entering), delete q/`, by whoever saw that none up to upTo is left.
 * - break: `IF mod(state) = s, e as it was at the look THEN put state (broken)`, by whoever saw that somebody has died, with the policy
 *   `break`. Once all who were there then have gone, the next round begins. Who came since to where nobody was waited with none of the dead.
 *
 * **Who waits for what.** All for the state: one watch a process, one event, no request (`watch/fact-follower.ts`). Deaths are seen by
 * the oldest who wait, see vigil.ts: departures are no news to them, since those who leave see themselves whether they are the last.
 *
 * **When things go wrong.** Reply lost: settled by the exactly-once store; where history was compacted, the key shows whether it came, and
 * a departure is sent again. Who saw that something is due and dies before it has done it: the next look does it, at the latest
 * after about a TTL. Session lost, or the process dead: the keys go with the lease, and the policy decides; the caller is told
 * `session-lost`. Process paused: the same; what it does late is refused by its key. Watch cut, silent, compacted: says nothing; the
 * state is read again, at the latest after about a TTL.
 *
 * **Wrong:** letting in by the count of one's own reply (etcd's recipe: whoever is last creates `ready`, and all wait for ever where it
 * dies before that); taking every deletion for a departure, which hides who has died; who leaves last deleting `ready`, without
 * whom the others hang; taking the end of a watch for a release.
 */
import { checkWaitOptions, type WaitOptions } from '../runtime/index.js';
import { orGiveUp } from '../runtime/or-give-up.js';
import { type Client, checkClient } from '../session/index.js';
import { get, type KeyValue } from '../store/index.js';
import { MemberStay } from './double/member-stay.js';
import {
  checkDoubleOptions,
  type DoubleBarrierOptions,
  type DoubleBarrierView,
  type Stay,
} from './double/options.js';
import { decodeRound } from './double/round.js';
import { Rounds } from './double/rounds.js';
import { labelIn } from './member-record.js';

/**
 * A double barrier: members enter together, once `size` of them are there, and leave together, once all have left. Then the next round
 * may begin.
 *
 * - Guaranteed: nobody enters before `size` members came, nor leaves before all have left or died. A death breaks the round, which is the
 *   default, is waited for until somebody else comes, or is passed over, as `deadMembers` says.
 * - Not guaranteed: that all go on at the same instant.
 * - Session loss: the member counts as dead, and its caller is told `session-lost`.
 * - Errors: `invalid-argument`, also for other options than the others have; `barrier-broken`, `over-limit`, `session-lost`; of a wait
 *   `aborted`, `timeout`, `closed`.
 * - Cost: one request and one read to enter, and the same to leave; three more for the last and the two oldest; two reads about once a TTL
 *   while it waits: ten requests a round at the most, where nobody dies or waits for long.
 */
export class DoubleBarrier {
  readonly name: string;
  readonly size: number;
  readonly #client: Client;
  readonly #rounds: Rounds;

  /** The double barrier of this name in the client's namespace. Share one object among the callers of a process. Making one sends nothing. */
  constructor(client: Client, name: string, options: DoubleBarrierOptions) {
    checkClient(client);
    const settings = checkDoubleOptions(options);
    this.#rounds = new Rounds(client, name, settings);
    this.name = name;
    this.size = settings.size;
    this.#client = client;
  }

  /**
   * Comes, and waits until as many as it takes are there. Each call is a member of its own, also of one process.
   *
   * - Guaranteed: as many members as it takes stood at one revision, and none of them had withdrawn when they were let in; with the
   *   policy `shrink`, those who have died count. A round has no more members than that: they are those who came first.
   * - Not guaranteed: that all are still alive when this resolves. The stay's signal tells of this process alone.
   * - Given up, it has withdrawn, and another may come in its place. If it was let in at that very moment it has left.
   * - Errors: `over-limit` if the round is full, with `whenFull: 'refuse'`; `barrier-broken` if somebody who waited with it has
   *   died, with the policy `'break'`; `session-lost`; `hold-lost` if somebody deleted its key; `invalid-argument` if others use
   *   another size or policy; `aborted` and `timeout` as asked for; what `client.session()` rejects with; `no-space`, `closed`,
   *   `permission-denied`, `unauthenticated`.
   * - Cost: one request to come, or to leave, and one read of the state as the watch opens, shared by the process. At the most three
   *   more for the last one, who lets the others in or ends the round, and for each of the two oldest, who look whether somebody has
   *   died. For each member that dies one or two of the oldest. While it waits, two reads about once a TTL. One watch a process, and
   *   one more of the two oldest.
   */
  async enter(options: WaitOptions = {}): Promise<Stay> {
    const doing = `entering the double barrier ${JSON.stringify(this.name)}`;
    checkWaitOptions(options, doing);
    const attempt = async (givenUp: AbortSignal) => {
      const { member, round } = await this.#rounds.enter(givenUp);
      return new MemberStay({ client: this.#client, rounds: this.#rounds, name: this.name, member, round });
    };
    return orGiveUp(this.#client.runtime, attempt, (stay) => void stay.depart(), options, doing);
  }

  /** Who is inside and who waits, as the store has it at one revision. One read. Errors: the store's own. */
  async inspect(options: WaitOptions = {}): Promise<DoubleBarrierView> {
    checkWaitOptions(options, `looking at the double barrier ${JSON.stringify(this.name)}`);
    const { state, members } = this.#rounds.keys;
    const success = [get(state), { type: 'range' as const, ...members }];
    const { replies, revision } = await this.#client.store.txn(
      { compare: [], success, failure: [] },
      options,
    );
    const [[stateKv] = [], present = []] = replies.map((reply) => (reply.type === 'range' ? reply.kvs : []));
    const now = decodeRound(stateKv);
    const { round = 1, phase = 'entering' } = now ?? {};
    const upTo = phase === 'broken' ? (now?.mod ?? 0) : phase === 'inside' ? (now?.upTo ?? 0) : 0;
    const isIn = ({ createRevision }: KeyValue) => createRevision <= upTo;
    const byRank = present.toSorted((one, other) => one.createRevision - other.createRevision);
    const labels = (kvs: readonly KeyValue[]) => kvs.map(labelIn);
    return {
      ...{ revision, round, phase },
      inside: labels(byRank.filter(isIn)),
      waiting: labels(byRank.filter((kv) => !isIn(kv))),
    };
  }
}
