import { isQuorateError, QuorateError } from '../../errors.js';
import { Backoff, Listeners, type Runtime, sleep, type WaitOptions, waitFor } from '../../runtime/index.js';
import type { ConfigPicture } from '../reading/options.js';
import type { LastKnownGoodEvent } from './events.js';
import type { Kept, LastKnownGoodFile } from './last-known-good-file.js';

const retryDelay = { firstMs: 200, longestMs: 30_000 };

export interface KeeperOptions {
  readonly file: Pick<LastKnownGoodFile, 'keep'>;
  readonly runtime: Runtime;
  readonly onEvent: (event: LastKnownGoodEvent) => void;
}

/**
 * Keeps the newest of what it is given, one at a time: what is given while one is written takes the place of what was given
 * before. A failure is told, and the newest is tried again, later each time. Nobody who gives waits.
 */
export class LastKnownGoodKeeper {
  readonly #options: KeeperOptions;
  readonly #backoff: Backoff;
  readonly #closed = new AbortController();
  readonly #news = new Listeners<void>();
  #wanted: ConfigPicture | undefined;
  #working: Promise<void> | undefined;
  #kept: Kept | undefined;
  #problem: QuorateError | undefined;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.runtime, retryDelay);
  }

  get kept(): Kept | undefined {
    return this.#kept;
  }

  /** Why the newest is not kept; undefined: it is, or it is being written. */
  get problem(): QuorateError | undefined {
    return this.#problem;
  }

  keep(picture: ConfigPicture): void {
    if (this.#closed.signal.aborted) return;
    this.#wanted = picture;
    this.#working ??= this.#work();
  }

  /** Whether a picture of this cluster and revision, or a newer one, lasts. */
  has({ clusterId, revision }: Pick<ConfigPicture, 'clusterId' | 'revision'>): boolean {
    return this.#kept?.clusterId === clusterId && this.#kept.revision >= revision;
  }

  /** Resolves once all that was given before lasts. Rejects with `aborted`, `timeout`, `closed`. */
  async flush(options: WaitOptions): Promise<void> {
    const wanted = this.#wanted;
    if (wanted === undefined) return;
    let stop = () => {};
    const waiting = new Promise<void>((resolve, reject) => {
      const look = () => {
        if (this.has(wanted)) resolve();
        else if (this.#closed.signal.aborted && this.#working === undefined) reject(closedError());
      };
      stop = this.#news.add(look);
      look();
    });
    try {
      await waitFor(this.#options.runtime, waiting, options, 'keeping a configuration on disk');
    } finally {
      stop();
    }
  }

  /** Tries once more what is not kept yet, and ends. Never rejects. */
  async close(): Promise<void> {
    this.#closed.abort(closedError());
    await this.#working;
    this.#news.emit();
  }

  async #work(): Promise<void> {
    const { signal } = this.#closed;
    while (this.#wanted !== undefined) {
      const isLast = signal.aborted;
      const isKept = await this.#keep(this.#wanted);
      if (isLast) break;
      if (!isKept) {
        const background = true;
        await sleep(this.#options.runtime, this.#backoff.nextMs(), { signal, background }).catch(() => {});
      }
    }
    this.#working = undefined;
  }

  async #keep(picture: ConfigPicture): Promise<boolean> {
    const { file, onEvent } = this.#options;
    try {
      const kept = await file.keep(picture);
      if (this.#wanted === picture) this.#wanted = undefined;
      this.#kept = kept;
      this.#problem = undefined;
      this.#backoff.reset();
      if (kept.replaced.length > 0) onEvent({ type: 'replaced-other-cluster', clusterIds: kept.replaced });
      onEvent({ type: 'kept', clusterId: kept.clusterId, revision: kept.revision });
      return true;
    } catch (cause) {
      const error = isQuorateError(cause)
        ? cause
        : new QuorateError('internal', 'keeping a configuration on disk failed', { cause });
      this.#problem = error;
      onEvent({ type: 'keeping-failed', revision: picture.revision, error });
      return false;
    } finally {
      this.#news.emit();
    }
  }
}

function closedError(): QuorateError {
  return new QuorateError('closed', 'the configuration is closed');
}
