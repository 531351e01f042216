import { dirname } from 'node:path';
import type { Runtime } from '../../runtime/index.js';
import type { FileSystem } from '../files/file-system.js';
import { removeAbandoned, replaceFile } from '../files/replace-file.js';
import type { ConfigSnapshot } from '../reading/snapshot.js';
import type { CheckedAgentFile } from './agent-file.js';

/** A file that is not as it is to be. Undefined: there is to be none. */
export interface DueFile {
  readonly file: CheckedAgentFile;
  readonly content: Uint8Array | undefined;
  /** It is neither as it is to be, nor as this agent left it: somebody else writes it, another agent perhaps. */
  readonly isForeign: boolean;
}

/** The files of an agent, on disk. */
export class AgentFiles {
  readonly #fileSystem: FileSystem;
  readonly #runtime: Runtime;
  readonly #files: readonly CheckedAgentFile[];
  /** By their paths, as this agent knows to have left them; absent: it is not known. */
  readonly #left = new Map<string, Uint8Array | undefined>();

  constructor(fileSystem: FileSystem, runtime: Runtime, files: readonly CheckedAgentFile[]) {
    this.#fileSystem = fileSystem;
    this.#runtime = runtime;
    this.#files = files;
  }

  async sweep(): Promise<void> {
    for (const { path } of this.#files) await removeAbandoned(this.#fileSystem, this.#runtime, path);
  }

  /** Those that differ from what they are to be. All are rendered before any is looked at: if one cannot be, none is changed. */
  async due(snapshot: ConfigSnapshot): Promise<readonly DueFile[]> {
    const wanted: Omit<DueFile, 'isForeign'>[] = [];
    for (const file of this.#files) wanted.push({ file, content: await file.render(snapshot) });
    const due: DueFile[] = [];
    for (const one of wanted) {
      const { path } = one.file;
      const there = await this.#fileSystem.read(path);
      const isForeign = this.#left.has(path) && !isSame(there, this.#left.get(path));
      if (isSame(there, one.content)) this.#left.set(path, there);
      else due.push({ ...one, isForeign });
    }
    return due;
  }

  async change({ file, content }: DueFile): Promise<void> {
    const { path, mode, owner } = file;
    // What fails may have been done all the same.
    this.#left.delete(path);
    if (content === undefined) {
      await this.#fileSystem.remove(path);
      await this.makeDurable(path);
    } else await replaceFile(this.#fileSystem, this.#runtime, { path, content, mode, owner });
    this.#left.set(path, content);
  }

  /** Where a change was done, and failed at that all the same. */
  async makeDurable(path: string): Promise<void> {
    await this.#fileSystem.syncFolder(dirname(path));
  }
}

function isSame(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return Buffer.compare(one, other) === 0;
}
