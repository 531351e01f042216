import type { Lane } from '../../commit/index.js';
import { QuorateError } from '../../errors.js';
import { defaultTimeoutMs, type WaitOptions } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { ExpiringLeases } from '../expiring-leases.js';
import { asQuorateError } from '../failures.js';
import type { QueueKeys } from '../keys.js';
import type { QueueBound } from '../records/index.js';
import { EnqueuePipeline } from './enqueue-pipeline.js';
import type { Draft, Enqueued } from './submission.js';
import { WaitingCall } from './waiting-call.js';

interface Opened {
  readonly pipeline: EnqueuePipeline;
  readonly lane: Lane;
}

/**
 * What puts items into a queue for one object, in the order of the calls. The order is that in which {@link enter} was called,
 * however long it takes to prepare what a call is to put: calls wait for those before them to be prepared or given up.
 */
export class Producer {
  readonly #client: Client;
  readonly #keys: QueueKeys;
  readonly #queueName: string;
  readonly #bound: QueueBound | undefined;
  #opened: Promise<Opened> | undefined;
  /** Resolves when every call so far has been submitted, or has ended; undefined if that is so. */
  #turns: Promise<void> | undefined;
  #closed = false;

  /** `bound`: for a queue of which nobody has decided how many items it holds. */
  constructor(options: {
    client: Client;
    keys: QueueKeys;
    queueName: string;
    bound?: QueueBound | undefined;
  }) {
    this.#client = options.client;
    this.#keys = options.keys;
    this.#queueName = options.queueName;
    this.#bound = options.bound;
  }

  get doing(): string {
    return `enqueueing into "${this.#queueName}"`;
  }

  /** Throws `closed` once the object was closed. */
  checkOpen(): void {
    if (this.#closed)
      throw new QuorateError('closed', `this object of queue "${this.#queueName}" was closed`);
  }

  /**
   * One result for each draft, undefined where its condition declined it and nothing stands in. The wait's options have been
   * checked; its time limit begins here. Throws `closed` as {@link checkOpen}. `apart`: each enters as soon as there is room for it, and not all in one revision.
   */
  enter(
    prepared: readonly Draft[] | Promise<readonly Draft[]>,
    wait: WaitOptions,
    { apart = false }: { readonly apart?: boolean } = {},
  ): Promise<readonly (Enqueued | undefined)[]> {
    // It may have been closed since the caller looked: nothing opened now would be closed ever.
    this.checkOpen();
    const { runtime } = this.#client;
    const { signal, timeoutMs = defaultTimeoutMs } = wait;
    const { itemKeyBytes } = this.#keys;
    const call = new WaitingCall({ runtime, signal, timeoutMs, doing: this.doing, itemKeyBytes, apart });
    const opened = this.#open();
    if (this.#turns === undefined && !(prepared instanceof Promise)) this.#submit(call, prepared, opened);
    else this.#submitInTurn(call, prepared, opened);
    return call.results;
  }

  /** Refuses further items, waits for those on their way, gives the lane back. */
  async close(): Promise<void> {
    this.#closed = true;
    const opened = await this.#opened?.catch(() => undefined);
    if (opened === undefined) return;
    const { pipeline, lane } = opened;
    pipeline.close();
    // The lane waits for what was sent, for a while; given up, it is what ends a run that waits for its answer.
    await Promise.all([pipeline.leave(), lane.close()]);
  }

  #submitInTurn(
    call: WaitingCall,
    prepared: readonly Draft[] | Promise<readonly Draft[]>,
    opened: Promise<Opened>,
  ): void {
    const before = this.#turns;
    const submit = async () => {
      const drafts = await prepared;
      await before;
      this.#submit(call, drafts, opened);
    };
    const submitted = submit().catch((error: unknown) => call.fail(asQuorateError(error)));
    const ended = call.results.then(
      () => {},
      () => {},
    );
    // Who gave up is not waited for; those before it still are.
    const turns = Promise.race([submitted, ended]).then(() => before);
    this.#turns = turns;
    void turns.then(() => {
      if (this.#turns === turns) this.#turns = undefined;
    });
  }

  #submit(call: WaitingCall, drafts: readonly Draft[], opened: Promise<Opened>): void {
    opened
      .then(({ pipeline }) => {
        for (const submission of call.divide(drafts)) pipeline.submit(submission);
      })
      .catch((error: unknown) => call.fail(asQuorateError(error)));
  }

  #open(): Promise<Opened> {
    const { runtime, store } = this.#client;
    const open = async () => {
      const lane = await store.openLane();
      const leases = new ExpiringLeases(store, runtime);
      const parts = { client: this.#client, keys: this.#keys, bound: this.#bound };
      return { lane, pipeline: new EnqueuePipeline({ ...parts, lane, leases }) };
    };
    if (this.#opened === undefined) {
      const opening = open();
      this.#opened = opening;
      opening.catch(() => {
        // The next call tries again.
        if (this.#opened === opening) this.#opened = undefined;
      });
    }
    return this.#opened;
  }
}
