import { QuorateError } from '../errors.js';
import { FencedWrites, type Line, type Place } from '../line/index.js';
import { sharedController } from '../runtime/index.js';
import type { Client } from '../session/index.js';
import {
  type CallOptions,
  type Compare,
  type Key,
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
  #clearing: Promise<void> | undefined;

  constructor(options: LeadershipOptions) {
    this.#options = options;
    this.term = options.term;
    this.lastCheckpoint = options.lastCheckpoint;
    this.#writes = new FencedWrites(options.client, options.place);
    this.#offGone = options.place.onGone((error) => {
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
    return this.#resigned === undefined && place.state.status === 'admitted' && place.session.isLive();
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
   * A transaction that is applied only within the term. One request. Errors: `fenced` (refused by the store),
   * `hold-lost` and `session-lost` (refused here, never sent), and the store's own.
   */
  async txn(request: Partial<TxnRequest>, options: CallOptions = {}): Promise<TxnReply> {
    if (this.#controller.signal.aborted) throw this.#controller.signal.reason;
    if (this.#resigned !== undefined) throw new QuorateError('hold-lost', 'the leader has resigned');
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

  async #resign(): Promise<void> {
    const { line, place, leaderKey } = this.#options;
    await this.#writes.settled();
    this.#offGone();
    if (!(await line.leave(place, [remove(leaderKey)]))) await this.#clearUp();
  }

  #clearUp(): Promise<void> {
    const { client, leaderKey, place } = this.#options;
    this.#clearing ??= clearLeader({ client, leaderKey, place: place.key, session: place.session });
    return this.#clearing;
  }
}
