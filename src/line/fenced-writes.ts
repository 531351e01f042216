import { invalidArgument, isQuorateError, QuorateError } from '../errors.js';
import { checkWaitOptions, linkedSignal } from '../runtime/index.js';
import type { Client } from '../session/index.js';
import { type CallOptions, nested, type TxnReply, type TxnRequest, txnOf } from '../store/index.js';
import type { Place } from './place.js';

/**
 * The writes made under one hold of a place. Each carries the place's guard, so the store itself refuses it once
 * the place is gone; and all are accounted for, so that the place is not passed on within the process, which
 * leaves the guard as it is, before every write has come to a definite end.
 */
export class FencedWrites {
  readonly #client: Client;
  readonly #place: Place;
  readonly #pending = new Set<Promise<unknown>>();
  #unknown = false;

  constructor(client: Client, place: Place) {
    this.#client = client;
    this.#place = place;
  }

  async txn(request: Partial<TxnRequest>, options: CallOptions = {}): Promise<TxnReply> {
    checkWaitOptions(options, 'writing under a hold');
    if (typeof request !== 'object' || request === null) {
      throw invalidArgument(`the transaction is of type ${typeof request}`, 'a TxnRequest, or parts of one');
    }
    const attempt = this.#send(txnOf(request), options);
    this.#pending.add(attempt);
    try {
      return await attempt;
    } catch (error) {
      if (!isQuorateError(error) || error.outcome === 'unknown') this.#unknown = true;
      throw error;
    } finally {
      this.#pending.delete(attempt);
    }
  }

  /** Waits for the writes under way. False if one of them may still be applied. */
  async settled(): Promise<boolean> {
    while (this.#pending.size > 0) await Promise.allSettled([...this.#pending]);
    return !this.#unknown;
  }

  async #send(request: TxnRequest, options: CallOptions): Promise<TxnReply> {
    const { session } = this.#place;
    this.#place.assertLive();
    const guarded = { compare: this.#place.guards(), success: [nested(request)], failure: [] };
    const link = linkedSignal(options.signal, session.signal);
    const reply = await this.#client.store
      .txn(guarded, { signal: link.signal, timeoutMs: options.timeoutMs })
      .catch((error: unknown) => {
        if (options.signal?.aborted || !isQuorateError(error, 'aborted')) throw error;
        const { outcome } = error;
        throw new QuorateError('session-lost', 'the session ended while the write was under way', {
          ...{ outcome, cause: session.signal.reason },
        });
      })
      .finally(link.unlink);
    const [inner] = reply.replies;
    if (inner?.type === 'txn') {
      return { revision: reply.revision, succeeded: inner.succeeded, replies: inner.replies };
    }
    this.#place.deleted(reply.revision);
    throw new QuorateError('fenced', 'the store refused the write: its hold had ended', {
      details: { place: this.#place.key, revision: reply.revision },
    });
  }
}
