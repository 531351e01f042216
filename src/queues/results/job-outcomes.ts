import { invalidArgument, QuorateError } from '../../errors.js';
import { checkWaitOptions, defaultTimeoutMs, Listeners, type WaitOptions } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { type Codec, get, type KeyValue, textOf, txnOf } from '../../store/index.js';
import { ExpiringLeases } from '../expiring-leases.js';
import type { ItemId, QueueKeys } from '../keys.js';
import { firstOf } from '../reading/first-of.js';
import { placesOf } from '../reading/item.js';
import type { DeadLetterCause } from '../records/index.js';
import { cancelJob } from './cancellation.js';
import { shortened } from './reasons.js';
import { decodeResult, type ResultRecord } from './result-record.js';
import { ResultWait } from './result-wait.js';

/** What is known of how a job ended. */
export type JobOutcome<R> =
  /** It is in the queue still, waiting or being worked on. */
  | { readonly status: 'pending' }
  /** Acknowledged; `value` is what its handler returned, or was given to `complete`. */
  | { readonly status: 'completed'; readonly value: R }
  /** It failed for good and is in the dead letters. */
  | { readonly status: 'dead'; readonly cause: DeadLetterCause; readonly reason: string }
  | { readonly status: 'cancelled'; readonly reason: string }
  /** It ended, and no result was asked for, or it has expired; or there never was such a job. */
  | { readonly status: 'gone' };

export interface WaitForResultOptions extends WaitOptions {
  /** Called with what the handler tells of its progress, in order, the latest at each time; some may be passed over. */
  onProgress?: (progress: unknown) => void;
}

export interface CancelOptions extends WaitOptions {
  /** For people, and the reason of the handler's signal. At most 1 KiB is kept. */
  reason?: string;
}

/** What becomes of a queue's jobs, seen and decided from outside of its workers. */
export class JobOutcomes {
  readonly #client: Client;
  readonly #keys: QueueKeys;
  readonly #codec: Codec<unknown>;
  readonly #leases: ExpiringLeases;

  constructor(options: { client: Client; keys: QueueKeys; codec: Codec<unknown> }) {
    this.#client = options.client;
    this.#keys = options.keys;
    this.#codec = options.codec;
    this.#leases = new ExpiringLeases(options.client.plainStore, options.client.runtime);
  }

  async result<R>(id: ItemId, options: WaitOptions): Promise<JobOutcome<R>> {
    checkCall(id, options, 'reading the result of');
    const keys = this.#keys;
    const places = placesOf(keys, id).map((key) => get(key, { keysOnly: true }));
    const request = txnOf({ success: [get(keys.result(id)), ...places] });
    const { replies } = await this.#client.store.txn(request, { timeoutMs: defaultTimeoutMs, ...options });
    const [result, ...items] = replies.map(firstOf);
    if (result !== undefined) return this.#outcomeOf<R>(result);
    return { status: items.some((item) => item !== undefined) ? 'pending' : 'gone' };
  }

  async wait<R>(id: ItemId, options: WaitForResultOptions): Promise<R> {
    checkCall(id, options, 'waiting for the result of');
    const { onProgress, signal, timeoutMs } = options;
    if (onProgress !== undefined && typeof onProgress !== 'function') {
      throw invalidArgument('onProgress is no function', 'a function, or none');
    }
    const listeners = new Listeners<KeyValue>();
    if (onProgress !== undefined) listeners.add((kv) => onProgress(progressIn(kv)));
    const wait = new ResultWait({
      ...{ client: this.#client, keys: this.#keys, id },
      onProgress: onProgress && ((kv) => listeners.emit(kv)),
    });
    const outcome = this.#outcomeOf<R>(await wait.run({ signal, timeoutMs }));
    if (outcome.status === 'completed') return outcome.value;
    throw endedOtherwise(id, outcome);
  }

  async progress(id: ItemId, options: WaitOptions): Promise<unknown> {
    checkCall(id, options, 'reading the progress of');
    const read = { key: this.#keys.progressOf(id) };
    const { kvs } = await this.#client.store.range(read, { timeoutMs: defaultTimeoutMs, ...options });
    return kvs[0] === undefined ? undefined : progressIn(kvs[0]);
  }

  cancel(id: ItemId, options: CancelOptions): Promise<boolean> {
    checkCall(id, options, 'cancelling');
    const { reason = '', signal, timeoutMs = defaultTimeoutMs } = options;
    if (typeof reason !== 'string') throw invalidArgument('reason is no text', 'a string');
    return cancelJob(
      { client: this.#client, keys: this.#keys, leases: this.#leases, id, reason: shortened(reason) },
      { signal, timeoutMs },
    );
  }

  #outcomeOf<R>(kv: KeyValue): JobOutcome<R> & ({ status: 'completed' } | { status: 'dead' | 'cancelled' }) {
    const record: ResultRecord = decodeResult(kv.value);
    if (record.status !== 'completed') return record;
    const { value } = record;
    try {
      return { status: 'completed', value: (value && this.#codec.decode(value)) as R };
    } catch (cause) {
      throw new QuorateError('codec', `the result codec cannot decode what is under ${kv.key}`, { cause });
    }
  }
}

function endedOtherwise(id: ItemId, outcome: JobOutcome<unknown>): QuorateError {
  const { reason } = outcome as { reason?: string };
  const because = reason ? `: ${reason}` : '';
  const details = { id, ...outcome };
  return outcome.status === 'cancelled'
    ? new QuorateError('job-cancelled', `job ${id} was cancelled${because}`, { details })
    : new QuorateError('dead-lettered', `job ${id} failed for good${because}`, { details });
}

function progressIn(kv: KeyValue): unknown {
  try {
    return JSON.parse(textOf(kv.value)) as unknown;
  } catch (cause) {
    throw new QuorateError('codec', `there is no JSON under ${kv.key}`, { cause });
  }
}

function checkCall(id: ItemId, options: WaitOptions, doing: string): void {
  checkWaitOptions(options, `${doing} a job`);
  if (typeof id !== 'string' || id === '') throw invalidArgument('id is no text', 'the id of an item');
}
