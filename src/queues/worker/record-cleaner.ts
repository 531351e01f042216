import type { Timer } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { remove, txnOf } from '../../store/index.js';
import type { RecordLedger } from './record-ledger.js';

/** Emptied records that no acknowledgement took along are deleted after this. */
const delayMs = 500;
/** Of a write whose failure costs only tidiness. */
const timeoutMs = 2_000;

/** Deletes the emptied records of one worker that nothing else takes along. What could not be deleted stays due in the ledger. */
export class RecordCleaner {
  readonly #client: Client;
  readonly #ledger: RecordLedger;
  /** Aborted when the worker's life is over. */
  readonly #signal: AbortSignal;
  #timer: Timer | undefined;

  constructor(options: { client: Client; ledger: RecordLedger; signal: AbortSignal }) {
    this.#client = options.client;
    this.#ledger = options.ledger;
    this.#signal = options.signal;
  }

  /** Deletes them in a while, if there are any. */
  soon(): void {
    if (!this.#ledger.hasEmptied || this.#timer !== undefined || this.#signal.aborted) return;
    const flush = () => {
      this.#timer = undefined;
      void this.#deleteEmptied();
    };
    this.#timer = this.#client.runtime.setTimer(delayMs, flush, { background: true });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  async #deleteEmptied(): Promise<void> {
    while (this.#ledger.hasEmptied && !this.#signal.aborted) {
      const records = this.#ledger.takeEmptied();
      const done = await this.#sent(txnOf({ success: records.map((record) => remove(record)) }));
      this.#ledger.cleaned(records, done);
      if (!done) return;
    }
  }

  /** One attempt. */
  async #sent(request: ReturnType<typeof txnOf>): Promise<boolean> {
    return this.#client.store.txn(request, { timeoutMs }).then(
      () => true,
      () => false,
    );
  }
}
