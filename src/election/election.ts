/**
 * Leader election: one leader at a time, in the order in which the candidates came.
 *
 * **Keys** under `{ns}/election/{name}/`: `l/{id}`, a candidate's place in the waiting line, leased (see
 * `line/line.ts`); `leader`, leased, says who leads and what it proclaims; `state`, not leased, the last checkpoint.
 *
 * **The win is a write**, not a belief: `IF my place stands AND no older one does THEN put leader, get state`. Its
 * revision makes the term. A candidate that thinks too early that it is the oldest is refused, one without a lease too;
 * and the `state` it reads is final, since every earlier leader's writes are guarded by a place that is gone by then.
 * A candidate alone wins in the request that takes its place.
 *
 * **Who waits for what.** Candidates wait as in a lock: one event a hand-over. Observers watch `leader` alone and are
 * told `leader`, `none` or, as soon as their watch is cut, `unknown`.
 *
 * **Cost.** One request to win alone, two after waiting; proclaim, checkpoint and resign one each.
 *
 * **Reply lost:** settled by the exactly-once store; where it cannot tell, the win is asked for again, which at most
 * raises the own term, before anybody was told of it. **Session lost:** both leased keys go in one revision; the signal
 * has fired before. **Place deleted by somebody:** the signal fires, and `leader` is deleted if it still names that place.
 * **Process paused:** its writes are refused by the guard. **Resign:** both keys are deleted in one transaction.
 */
import { invalidArgument, isPermanent, isQuorateError, QuorateError } from '../errors.js';
import { fencingToken, Line, type LineView, type Place, viewLine } from '../line/index.js';
import {
  abortedError,
  Backoff,
  checkWaitOptions,
  invariant,
  linkedSignal,
  sleep,
  type WaitOptions,
  waitFor,
} from '../runtime/index.js';
import { type Client, checkClient, type Session } from '../session/index.js';
import { compare, get, type Key, type Op, type OpReply, put, remove } from '../store/index.js';
import { clearLeader } from './clear-leader.js';
import { encodeLeader, saidBytes } from './leader-record.js';
import { Leadership } from './leadership.js';
import { type LeaderView, observeLeader } from './observe.js';

export interface CampaignOptions extends WaitOptions {
  /** What observers are told with the win. Default: empty. */
  value?: string | Uint8Array | undefined;
}

export interface LeadOptions {
  /** Ends everything: the term, if there is one, by resigning after `work` has stopped. */
  signal?: AbortSignal | undefined;
  /** What observers are told with the win. Default: empty. */
  value?: string | Uint8Array | undefined;
}

/** What {@link Election.lead} gives to the work. */
export interface Term {
  readonly term: number;
  /** Fires when the term is lost or `lead` is aborted: stop at once. */
  readonly signal: AbortSignal;
  readonly leadership: Leadership;
}

/**
 * Leader election: one leader at a time, in the order in which the candidates came.
 *
 * - Guaranteed: in the store's order of revisions terms never overlap, and they strictly increase; what a leader writes through its leadership
 *   is refused once its term is over; who wins is given the last checkpoint of all terms before.
 * - Not guaranteed: that a past leader knows at once that it is none; that observers do: they are told `unknown` while cut off.
 * - Session loss: the signal of the leadership fires before the server can let another win; `lead` stands for election again.
 * - Errors: `invalid-argument`, at once; of a campaign `aborted`, `timeout`, `closed`; of a leadership `hold-lost`, `session-lost`, `fenced`. While
 *   the store is away a campaign goes on: give `timeoutMs` or `signal`.
 * - Cost: one request to win alone, two after waiting; proclaim, checkpoint and resign one each; one event a change to each observing process.
 */
export class Election {
  readonly name: string;
  readonly #client: Client;
  readonly #line: Line;
  readonly #leaderKey: Key;
  readonly #stateKey: Key;

  /** The election of this name in the client's namespace. Making one sends nothing. */
  constructor(client: Client, name: string) {
    checkClient(client);
    const prefix = client.keys.prefix('election', name);
    this.name = name;
    this.#client = client;
    this.#line = new Line(client, prefix);
    this.#leaderKey = `${prefix}leader`;
    this.#stateKey = `${prefix}state`;
  }

  /**
   * Stands for election and waits until it is won. First come, first served. Every call is a candidate of its own.
   *
   * Errors: `aborted` and `timeout` as asked for, and then the candidate withdraws in the background; `closed`,
   * `permission-denied`, `unauthenticated`; `request-too-large` for such a value. While the store is away it keeps trying.
   */
  async campaign(options: CampaignOptions = {}): Promise<Leadership> {
    const doing = `standing for the election ${JSON.stringify(this.name)}`;
    checkWaitOptions(options, doing);
    const value = options.value === undefined ? new Uint8Array() : saidBytes(options.value);
    const withdraw = new AbortController();
    const attempt = this.#stand(value, withdraw.signal);
    try {
      return await waitFor(this.#client.runtime, attempt, options, doing);
    } catch (error) {
      withdraw.abort(error);
      attempt.then((leadership) => leadership.resign()).catch(() => {});
      throw error;
    }
  }

  /**
   * Follows who leads. The first view is the present one. Conflated: a slow reader gets the newest view and may miss
   * some in between, but never gets an older one after a newer. Ends when `signal` fires or the reader stops; throws
   * if it can never go on (`closed`, `permission-denied`).
   *
   * Cost: one read at first and one after a cut, one watch shared in the process, one event a change.
   */
  observe(options: { signal?: AbortSignal | undefined } = {}): AsyncIterable<LeaderView> {
    const { signal } = options;
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw invalidArgument('signal is not an AbortSignal', 'an AbortSignal, or none');
    }
    return observeLeader(this.#client, this.#leaderKey, signal);
  }

  /** Who leads and who stands, of all processes, without standing. One read; errors as the store's. */
  async inspect(options: WaitOptions = {}): Promise<LineView> {
    checkWaitOptions(options, `looking at the election ${JSON.stringify(this.name)}`);
    return (await viewLine(this.#client.store, this.#line.prefix, options)).view;
  }

  /**
   * Runs `work` while leader. If the term is lost, the work's signal fires, its outcome is disregarded, and once it has
   * ended this candidate stands again. If the work ends within its term, resigns and resolves, or rejects, as it did.
   *
   * The work must stop when its signal fires: as long as it does not, this process cannot stand again.
   * Errors: `aborted` when `signal` fires; what the work throws; what `campaign` throws.
   */
  async lead<T>(work: (term: Term) => Promise<T> | T, options: LeadOptions = {}): Promise<T> {
    const { signal } = options;
    if (typeof work !== 'function') throw invalidArgument(`work is of type ${typeof work}`, 'a function');
    for (;;) {
      const leadership = await this.campaign({ signal, value: options.value });
      const stop = linkedSignal(leadership.signal, signal);
      try {
        // Work that is called after its signal has fired may wait for that for ever.
        if (!stop.signal.aborted) {
          const result = await work({ term: leadership.term, signal: stop.signal, leadership });
          if (!(await wasLost(leadership))) return result;
        }
      } catch (error) {
        if (signal?.aborted) throw abortedError(signal, `leading ${JSON.stringify(this.name)}`);
        if (!(await wasLost(leadership))) throw error;
      } finally {
        stop.unlink();
        await leadership.resign();
      }
    }
  }

  async #stand(value: Uint8Array, signal: AbortSignal): Promise<Leadership> {
    const backoff = new Backoff(this.#client.runtime, { firstMs: 10, longestMs: 1_000 });
    for (;;) {
      let place: Place | undefined;
      let joining: { readonly place: Key; readonly session: Session } | undefined;
      try {
        if (signal.aborted) throw abortedError(signal, 'standing for election');
        const session = await this.#client.session({ signal });
        const stem = this.#line.newStem();
        const key = `${this.#line.prefix}${stem}`;
        const winning = this.#winning(key, value, session.leaseId);
        joining = { place: key, session };
        place = await this.#line.join(session, { stem, ifAlone: winning, attached: value });
        const won = place.aloneReply
          ? { revision: place.revision, replies: place.aloneReply.replies }
          : await this.#win(place, key, winning, signal);
        // What ended the place may be known before the reply that won, and after a pause the clock knows before that.
        await session.settled();
        if (place.state.status === 'gone') throw place.state.error;
        session.assertLive();
        return this.#lead(place, won);
      } catch (error) {
        if (place !== undefined) await this.#withdraw(place);
        // Its reply lost with its history, and its place deleted by somebody: then it may have won, and nobody knows.
        else if (joining !== undefined) await this.#clearLeader(joining);
        if (signal.aborted || isPermanent(error)) throw error;
        await sleep(this.#client.runtime, backoff.nextMs(), { signal });
      }
    }
  }

  #winning(place: Key, value: Uint8Array, lease: string): Op[] {
    const record = encodeLeader({ place, label: this.#client.label }, value);
    return [put(this.#leaderKey, record, { lease }), get(this.#stateKey)];
  }

  async #win(place: Place, candidate: Key, winning: readonly Op[], signal: AbortSignal) {
    await waitFor(this.#client.runtime, place.turn, { signal }, 'waiting for the election');
    if (place.key !== candidate) return this.#wonByHandOver(place);
    const request = {
      compare: [place.guard(), compare.create(this.#line.range, 'greater', place.revision - 1)],
      success: winning,
      failure: [],
    };
    const options = { signal: place.session.signal, timeoutMs: Number.POSITIVE_INFINITY };
    for (;;) {
      try {
        const reply = await this.#client.store.txn(request, options);
        if (reply.succeeded) return reply;
        throw new QuorateError('hold-lost', 'the place was gone before the election was won');
      } catch (error) {
        // Applied or not, and its reply lost with its history: to win again does no harm.
        if (!isQuorateError(error, 'compacted')) throw error;
      }
    }
  }

  /** The leader before has written who leads now, in the transaction that ended its own term. */
  async #wonByHandOver(place: Place) {
    const { store, runtime } = this.#client;
    const revision = place.claims[0]?.revision ?? place.revision;
    const { signal } = place.session;
    const backoff = new Backoff(runtime, { firstMs: 10, longestMs: 1_000 });
    for (;;) {
      try {
        const { kvs, count, more } = await store.range({ key: this.#stateKey }, { signal });
        const state: OpReply = { type: 'range', kvs, count, more };
        return { revision, replies: [state, state] };
      } catch (error) {
        if (signal.aborted || isPermanent(error)) throw error;
        await sleep(runtime, backoff.nextMs(), { signal });
      }
    }
  }

  #lead(place: Place, won: { revision: number; replies: readonly OpReply[] }): Leadership {
    const state = won.replies[1];
    invariant(state?.type === 'range', 'the winning write also reads the checkpoint');
    return new Leadership({
      client: this.#client,
      line: this.#line,
      place,
      term: fencingToken(won.revision, 0),
      leaderKey: this.#leaderKey,
      stateKey: this.#stateKey,
      lastCheckpoint: state.kvs[0]?.value,
    });
  }

  /** Only the oldest place can have won, so only then is `leader` ours to delete; if it was deleted, it may have won before. */
  async #withdraw(place: Place): Promise<void> {
    const { key } = place;
    const alongside = place.state.status === 'admitted' ? [remove(this.#leaderKey)] : [];
    // Where it was handed the term as it gave up waiting, `leader` says so.
    if ((await this.#line.leave(place, alongside)) && place.key === key) return;
    await this.#clearLeader({ place: place.key, session: place.session });
  }

  #clearLeader(of: { readonly place: Key; readonly session: Session }): Promise<void> {
    return clearLeader({ client: this.#client, leaderKey: this.#leaderKey, ...of });
  }
}

/** Whether the term was lost, rather than resigned. After a pause the clock knows before the signal does. */
async function wasLost(leadership: Leadership): Promise<boolean> {
  if (!leadership.isLeader) await leadership.settled();
  return leadership.signal.aborted;
}
