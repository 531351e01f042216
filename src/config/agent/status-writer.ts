import type { Runtime, Timer } from '../../runtime/index.js';
import type { FileSystem } from '../files/file-system.js';
import { replaceFile } from '../files/replace-file.js';

export interface StatusWriterOptions {
  readonly path: string;
  readonly everyMs: number;
  readonly fileSystem: FileSystem;
  readonly runtime: Runtime;
  readonly content: () => Uint8Array;
  readonly onFailure: (error: unknown) => void;
}

/** Writes a status when it is told to, and every so often; one at a time, and the newest once that is done. */
export class StatusWriter {
  readonly #options: StatusWriterOptions;
  #timer: Timer | undefined;
  #working: Promise<void> | undefined;
  #isDue = false;
  #isClosed = false;

  constructor(options: StatusWriterOptions) {
    this.#options = options;
    this.#arm();
  }

  write(): void {
    this.#isDue = true;
    this.#working ??= this.#work();
  }

  /** Writes a last time. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.write();
    await this.#working;
  }

  #arm(): void {
    const { runtime, everyMs } = this.#options;
    const tick = () => {
      if (this.#isClosed) return;
      this.write();
      this.#arm();
    };
    this.#timer = runtime.setTimer(everyMs, tick, { background: true });
  }

  async #work(): Promise<void> {
    const { fileSystem, runtime, path, content, onFailure } = this.#options;
    while (this.#isDue) {
      this.#isDue = false;
      try {
        await replaceFile(fileSystem, runtime, { path, content: content(), mode: 0o644 });
      } catch (error) {
        onFailure(error);
      }
    }
    this.#working = undefined;
  }
}
