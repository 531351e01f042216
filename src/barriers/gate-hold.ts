import { sendDeletion } from '../session/guarded-deletion.js';
import type { Client, Session } from '../session/index.js';
import { type Compare, compare, type Key, remove } from '../store/index.js';

/** A gate that somebody keeps closed, for as long as its session lives. */
export interface GateHold extends AsyncDisposable {
  /** Revision that closed the gate. */
  readonly revision: number;
  /** True until it is opened by this object, or the session is lost. Compares the clocks first. */
  readonly isHeld: boolean;
  /** Fires with a `session-lost` error before the store can open the gate because this session has ended. */
  readonly signal: AbortSignal;
  /** Holds in the store while the gate stands as this hold has closed it: a compare for a transaction. */
  guard(): Compare;
  /**
   * Opens the gate. Resolves once it is certainly open as far as this hold is concerned: whoever waited at it is released,
   * and where somebody has closed it anew since, that stands. Never rejects; repeated while the store is away, until the
   * session has ended, which opens it too. Idempotent. One request.
   */
  open(): Promise<void>;
}

export class LeasedGate implements GateHold {
  readonly revision: number;
  readonly #client: Client;
  readonly #session: Session;
  readonly #key: Key;
  #opening: Promise<void> | undefined;

  constructor(client: Client, session: Session, gate: { readonly key: Key; readonly revision: number }) {
    this.#client = client;
    this.#session = session;
    this.#key = gate.key;
    this.revision = gate.revision;
  }

  get isHeld(): boolean {
    return this.#opening === undefined && this.#session.isLive();
  }

  get signal(): AbortSignal {
    return this.#session.signal;
  }

  guard(): Compare {
    return compare.mod(this.#key, 'equal', this.revision);
  }

  open(): Promise<void> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.open();
  }

  async #open(): Promise<void> {
    const request = { compare: [this.guard()], success: [remove(this.#key)], failure: [] };
    await sendDeletion(this.#client, this.#session, request);
  }
}
