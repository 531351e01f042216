import { dirname } from 'node:path';
import type { Runtime } from '../../runtime/index.js';
import { bytesOf } from '../../store/index.js';
import type { FileSystem } from '../files/file-system.js';
import { replaceFile } from '../files/replace-file.js';

const content = bytesOf('The command of this agent is owed: files were changed after its last run.\n');

export function owedMarkPath(lastKnownGoodPath: string): string {
  return `${lastKnownGoodPath}.owed`;
}

/** A file that is there while a change is not followed by a run of the command yet, so that a crash does not forget it. */
export class OwedMark {
  readonly #files: FileSystem;
  readonly #runtime: Runtime;
  readonly #path: string;
  /** What is done to the file is done one after the other. */
  #last: Promise<void> = Promise.resolve();
  #isSet = false;
  #isChanging = false;

  constructor(files: FileSystem, runtime: Runtime, path: string) {
    this.#files = files;
    this.#runtime = runtime;
    this.#path = path;
  }

  /** A change began, and did not end yet. */
  get isChanging(): boolean {
    return this.#isChanging;
  }

  /** Whether one is left of an agent before this one. */
  async isLeft(): Promise<boolean> {
    this.#isSet = (await this.#files.read(this.#path)) !== undefined;
    return this.#isSet;
  }

  /** Resolves once there is one that lasts: then files may be changed. */
  async beginChange(): Promise<void> {
    this.#isChanging = true;
    await this.#next(async () => {
      if (this.#isSet) return;
      await replaceFile(this.#files, this.#runtime, { path: this.#path, content, mode: 0o600 });
      this.#isSet = true;
    });
  }

  /** The change is whole, and its run is owed by now. */
  endChange(): void {
    this.#isChanging = false;
  }

  /** Takes it away, unless something is owed again by then. */
  async clear(isOwed: () => boolean): Promise<void> {
    await this.#next(async () => {
      if (!this.#isSet || this.#isChanging || isOwed()) return;
      this.#isSet = false;
      await this.#files.remove(this.#path);
      await this.#files.syncFolder(dirname(this.#path));
    });
  }

  #next(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }
}
