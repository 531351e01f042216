import { dirname } from 'node:path';
import type { FileAccess, FileSystem } from '../../src/config/files/file-system.js';

interface Inode {
  content: Uint8Array;
  /** What of it is on disk for good. */
  synced: Uint8Array | undefined;
  access: FileAccess;
  modifiedAtMs: number;
}

type Change = { readonly name: string; readonly inode: Inode | undefined };

export type FileCall = 'read' | 'list' | 'create' | 'syncFile' | 'syncFolder' | 'rename' | 'remove';

export interface MemoryFilesOptions {
  readonly wallMs?: () => number;
  /** In [0, 1). */
  readonly random?: () => number;
  /** A file of this name is another than before, or gone. */
  readonly onChange?: (path: string) => void;
}

/** What goes wrong with the calls of one process. */
export interface ProcessFiles extends FileSystem {
  /** Calls so far that change something. */
  readonly steps: number;
  /** Before so many more steps the process dies: nothing that it asks for from then on is done, or answered. */
  dieBefore(steps: number): void;
  readonly isDead: boolean;
  /** The next call of this kind fails. */
  failNext(call: FileCall, code?: string): void;
}

/**
 * Files in memory that several processes share. A crash of the machine leaves what was synced for certain; of all else, any part:
 * names that were changed since their folder was synced, in an order that keeps to each name; and contents cut anywhere.
 */
export class MemoryFiles {
  readonly #options: MemoryFilesOptions;
  #names = new Map<string, Inode>();
  /** Names as they are on disk for good. */
  #durable = new Map<string, Inode>();
  /** Changes of names since their folder was synced. */
  #pending: Change[] = [];

  constructor(options: MemoryFilesOptions = {}) {
    this.#options = options;
  }

  get paths(): readonly string[] {
    return [...this.#names.keys()].sort();
  }

  content(path: string): Uint8Array | undefined {
    return this.#names.get(path)?.content;
  }

  text(path: string): string | undefined {
    const content = this.content(path);
    return content && Buffer.from(content).toString();
  }

  access(path: string): FileAccess | undefined {
    return this.#names.get(path)?.access;
  }

  /** By somebody else, and for good. */
  put(path: string, content: string | Uint8Array): void {
    const bytes = Buffer.from(content as string);
    const inode = { content: bytes, synced: bytes, access: { mode: 0o644 }, modifiedAtMs: this.#wallMs() };
    this.#names.set(path, inode);
    this.#durable.set(path, inode);
  }

  /** The power fails: what was not synced is there, or is not. */
  crash(): void {
    const random = this.#options.random ?? Math.random;
    const left = new Map(this.#durable);
    const stopped = new Set<string>();
    for (const { name, inode } of this.#pending) {
      if (stopped.has(name)) continue;
      if (random() < 0.5) stopped.add(name);
      else if (inode === undefined) left.delete(name);
      else left.set(name, inode);
    }
    for (const inode of new Set(left.values())) {
      if (inode.synced !== undefined) inode.content = inode.synced;
      else inode.content = inode.content.slice(0, Math.floor(random() * (inode.content.length + 1)));
      inode.synced = inode.content;
    }
    this.#names = new Map(left);
    this.#durable = new Map(left);
    this.#pending = [];
  }

  /** `delay` is awaited before and after each call. */
  process(delay: () => Promise<void> = async () => {}): ProcessFiles {
    const failures = new Map<FileCall, string[]>();
    let steps = 0;
    let deadAt = Number.POSITIVE_INFINITY;
    const call = async <T>(kind: FileCall, isStep: boolean, work: () => T): Promise<T> => {
      await delay();
      const code = failures.get(kind)?.shift();
      if (code !== undefined) throw Object.assign(new Error(`${code}: planned`), { code });
      if (steps >= deadAt) await new Promise<never>(() => {});
      if (isStep) steps += 1;
      const result = work();
      await delay();
      return result;
    };
    return {
      get steps() {
        return steps;
      },
      get isDead() {
        return steps >= deadAt;
      },
      dieBefore: (more) => {
        deadAt = steps + more;
      },
      failNext: (kind, code = 'EIO') => {
        failures.set(kind, [...(failures.get(kind) ?? []), code]);
      },
      read: (path) => call('read', false, () => this.content(path)?.slice()),
      list: (folder) =>
        call('list', false, () =>
          this.paths.filter((path) => dirname(path) === folder).map((path) => path.slice(folder.length + 1)),
        ),
      create: (path, content, access) => call('create', true, () => this.#create(path, content, access)),
      syncFile: (path) =>
        call('syncFile', true, () => {
          const inode = this.#found(path);
          inode.synced = inode.content;
        }),
      syncFolder: (folder) => call('syncFolder', true, () => this.#syncFolder(folder)),
      rename: (from, to) =>
        call('rename', true, () => {
          const inode = this.#found(from);
          this.#change(from, undefined);
          this.#change(to, inode);
        }),
      remove: (path) =>
        call('remove', true, () => {
          if (this.#names.has(path)) this.#change(path, undefined);
        }),
      modifiedAtMs: (path) => call('read', false, () => this.#names.get(path)?.modifiedAtMs),
    };
  }

  #create(path: string, content: Uint8Array, access: FileAccess): void {
    if (this.#names.has(path)) throw Object.assign(new Error(`EEXIST: ${path}`), { code: 'EEXIST' });
    const modifiedAtMs = this.#wallMs();
    this.#change(path, { content: content.slice(), synced: undefined, access, modifiedAtMs });
  }

  #syncFolder(folder: string): void {
    const [done, left] = [this.#pending, [] as Change[]];
    for (const change of done) {
      if (dirname(change.name) !== folder) left.push(change);
      else if (change.inode === undefined) this.#durable.delete(change.name);
      else this.#durable.set(change.name, change.inode);
    }
    this.#pending = left;
  }

  #change(name: string, inode: Inode | undefined): void {
    this.#pending.push({ name, inode });
    if (inode === undefined) this.#names.delete(name);
    else this.#names.set(name, inode);
    this.#options.onChange?.(name);
  }

  #found(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
    return inode;
  }

  #wallMs(): number {
    return this.#options.wallMs?.() ?? 0;
  }
}
