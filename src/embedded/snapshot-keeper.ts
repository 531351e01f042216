import { ElapsedClock, type Runtime, type Timer } from '../runtime/index.js';
import { fileError, fingerprint, type SnapshotContents, writeSnapshot } from './snapshot-file.js';

/** A snapshot is taken at most so often... */
const shortestPauseMs = 1_000;
/** ...and no more often than that it takes a twentieth of the time. */
const pausePerWork = 20;

export interface SnapshotKeeperOptions {
  readonly runtime: Runtime;
  readonly file: string;
  /** Changes whenever there is something new to write. */
  readonly stamp: () => string;
  readonly contents: () => SnapshotContents;
  /** The fingerprint of the file that the state came from; nothing if there was none. */
  readonly found: string | undefined;
}

/**
 * Writes the snapshot some time after changes, and a last time at the end. A write that fails is told as a process
 * warning and tried again; the last one rejects. A file that somebody else has written to meanwhile is left alone:
 * two servers on one file would take turns in losing each other's state.
 */
export class SnapshotKeeper {
  readonly #options: SnapshotKeeperOptions;
  readonly #clock: ElapsedClock;
  #timer: Timer | undefined;
  #writing: Promise<void> | undefined;
  #written: string | undefined;
  #ours: string | undefined;

  constructor(options: SnapshotKeeperOptions) {
    this.#options = options;
    this.#clock = new ElapsedClock(options.runtime);
    this.#ours = options.found;
    this.#arm(shortestPauseMs);
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#writing?.catch(() => {});
    await this.#write();
  }

  #arm(pauseMs: number): void {
    this.#timer = this.#options.runtime.setTimer(pauseMs, () => void this.#tick(), { background: true });
  }

  async #tick(): Promise<void> {
    const startMs = this.#clock.nowMs();
    this.#writing = this.#write();
    try {
      await this.#writing;
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error), { type: 'QuorateSnapshotWarning' });
    }
    this.#writing = undefined;
    if (this.#timer !== undefined) {
      this.#arm(Math.max(shortestPauseMs, pausePerWork * (this.#clock.nowMs() - startMs)));
    }
  }

  async #write(): Promise<void> {
    const { file, stamp: currentStamp, contents } = this.#options;
    const stamp = currentStamp();
    if (stamp === this.#written) return;
    const there = await fingerprint(file);
    if (there !== undefined && there !== this.#ours) {
      throw fileError('unavailable', file, 'was written by another process, and is left as it is');
    }
    await writeSnapshot(file, contents());
    this.#written = stamp;
    this.#ours = await fingerprint(file);
  }
}
