import { QuorateError } from '../errors.js';
import {
  type Claimant,
  decodePlace,
  FencedWrites,
  handToWaiting,
  type Line,
  type Place,
  wasHandedOver,
} from '../line/index.js';
import { checkWaitOptionsOr, sharedController, type WaitOptions, waitFor } from '../runtime/index.js';
import type { Client } from '../session/index.js';
import {
  type CallOptions,
  type Compare,
  type Key,
  type KeyValue,
  type Op,
  put,
  remove,
  type TxnReply,
  type TxnRequest,
} from '../store/index.js';
import { clearLeader } from './clear-leader.js';
import { encodeLeader, saidBytes } from './leader-record.js';

export interface LeadershipOptions {
  readonly client: Client;
  readonly line: Line;
  readonly place: Place;
  readonly term: number;
  readonly leaderKey: Key;
  readonly stateKey: Key;
  readonly lastCheckpoint: Uint8Array | undefined;
}

/**
 * One term of one leader, from the win to `resign` or to its loss, whichever is first. Every write made through it is
 * refused by the store once the term is over.
 */
export class Leadership implements AsyncDisposable {
  /** Strictly increasing from leader to leader; the fencing token for other stores. */
  readonly term: number;
  /**
   * The newest checkpoint of all earlier terms, undefined if there was none. Final: it was read in the transaction
   * that won, and no earlier leader can write after that.
   */
  readonly lastCheckpoint: Uint8Array | undefined;
  readonly #options: LeadershipOptions;
  readonly #writes: FencedWrites;
  readonly #controller = sharedController();
  readonly #offGone: () => void;
  #resigned: Promise<void> | undefined;
  /** No more writes are taken, since the term is about to be handed on. */
  #isEnding = false;
  /** Resolves when it is known what came of handing it on. */
  #undecided: Promise<void> | undefined;
  #clearing: Promise<void> | undefined;

  constructor(options: LeadershipOptions) {
    this.#options = options;
    this.term = options.term;
    this.lastCheckpoint = options.lastCheckpoint;
    this.#writes = new FencedWrites(options.client, options.place);
    this.#offGone = options.place.onGone((error) => {
      if (wasHandedOver(error)) {
        this.#resigned = Promise.resolve();
        return;
      }
      this.#controller.abort(error);
      void this.#clearUp();
    });
    options.line.guardAgainstDeletion(options.place);
  }

  /** Fires when the term is lost, with the reason: `session-lost` or `hold-lost`. Not on `resign`. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether the term goes on, as far as can be known here; compares the clock first. */
  get isLeader(): boolean {
    const { place } = this.#options;
    return !this.#isOver() && place.state.status === 'admitted' && place.session.isLive();
  }

  /** Resolves once a stall of the session that is being decided is decided; at once if there is none. */
  settled(): Promise<void> {
    return this.#options.place.session.settled();
  }

  /** A compare for transactions of your own: refused once the term is over. */
  guard(): Compare {
    return this.#options.place.guard();
  }

  /**
   * A transaction that is applied only within the term. One request. Errors: `fenced` (refused by the store), `hold-lost`
   * (refused here, never sent), `session-lost` (so too, or under way when the session ended, as its outcome says), and the
   * store's own.
   */
  async txn(request: Partial<TxnRequest>, options: CallOptions = {}): Promise<TxnReply> {
    if (this.#controller.signal.aborted) throw this.#controller.signal.reason;
    if (this.#isOver()) throw new QuorateError('hold-lost', 'the leader has resigned, or hands its term on');
    return this.#writes.txn(request, options);
  }

  /** Publishes a new value to the observers. One request; errors as {@link txn}. */
  async proclaim(value: string | Uint8Array, options: CallOptions = {}): Promise<void> {
    const { place, leaderKey, client } = this.#options;
    const record = encodeLeader({ place: place.key, label: client.label, term: this.term }, saidBytes(value));
    await this.txn({ success: [put(leaderKey, record, { lease: place.session.leaseId })] }, options);
  }

  /** Leaves a checkpoint for the next leader, who finds it as `lastCheckpoint`. One request; errors as {@link txn}. */
  async checkpoint(value: string | Uint8Array, options: CallOptions = {}): Promise<void> {
    await this.txn({ success: [put(this.#options.stateKey, saidBytes(value))] }, options);
  }

  /**
   * Ends the term once the writes under way have settled; resolves when another can lead. Idempotent, never rejects:
   * without the store, the end of the lease ends the term.
   */
  resign(): Promise<void> {
    this.#resigned ??= this.#resign();
    return this.#resigned;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.resign();
  }

  /**
   * Hands the leadership to one who stands for it, past everybody between, in one transaction: for planned restarts.
   * `to`: the label of its client (the first of that label), or one of those whom {@link Election.inspect} showed. There is
   * no moment without a leader: observers are told of the next one, with the value it campaigned with, and its term
   * begins, in the very revision in which this one ends.
   *
   * Leave the last checkpoint before. The writes under way are waited for, and no new ones are taken. True: the other
   * leads; this term is over, without its signal. False: nobody like that stands any more; the term goes on.
   *
   * Errors: `hold-lost` and `session-lost` if the term was lost before; `aborted` and `timeout` as asked for: the term is
   * over then, handed on or resigned in the background; the store's own, and then the term goes on.
   * Cost: one read and one request; the next leader needs two reads.
   */
  async handOff(to: string | Claimant, options: WaitOptions = {}): Promise<boolean> {
    const doing = 'handing the leadership on';
    checkWaitOptionsOr(() => this.resign(), options, doing);
    if (this.#controller.signal.aborted) throw this.#controller.signal.reason;
    if (this.#isOver()) throw new QuorateError('hold-lost', 'the leader has resigned, or hands its term on');
    this.#isEnding = true;
    let isDecided = false;
    const attempt = this.#handOff(to).finally(() => {
      isDecided = true;
    });
    this.#undecided = attempt.then(
      () => {},
      () => {},
    );
    try {
      return await waitFor(this.#options.client.runtime, attempt, options, doing);
    } catch (error) {
      if (!isDecided) attempt.catch(() => {}).then(() => this.resign());
      throw error;
    }
  }

  async #handOff(to: string | Claimant): Promise<boolean> {
    const { client, line, place, leaderKey } = this.#options;
    const alongside = (next: KeyValue): Op[] => {
      const { record, attached } = decodePlace(next) ?? { record: { label: '' }, attached: new Uint8Array() };
      return [
        put(leaderKey, encodeLeader({ place: place.key, label: record.label }, attached), {
          lease: next.lease,
        }),
      ];
    };
    try {
      return await handToWaiting({ client, line, from: place, writes: this.#writes, to, alongside });
    } finally {
      this.#isEnding = false;
    }
  }

  #isOver(): boolean {
    return this.#resigned !== undefined || this.#isEnding;
  }

  async #resign(): Promise<void> {
    const { line, place, leaderKey } = this.#options;
    await this.#undecided;
    await this.#writes.settled();
    this.#offGone();
    const { state } = place;
    // What `leader` says is the next one's then, who may be of the same session.
    if (state.status === 'gone' && wasHandedOver(state.error)) return;
    if (!(await line.leave(place, [remove(leaderKey)]))) await this.#clearUp();
  }

  #clearUp(): Promise<void> {
    const { client, leaderKey, place } = this.#options;
    this.#clearing ??= clearLeader({ client, leaderKey, place: place.key, session: place.session });
    return this.#clearing;
  }
}
