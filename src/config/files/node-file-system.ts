import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import type { FileAccess, FileSystem } from './file-system.js';

/** More than any configuration has: see the limits of its mirror. */
const mostBytes = 512 * 2 ** 20;
/** What systems answer that cannot sync a folder. */
const notForFolders = ['EACCES', 'EINVAL', 'EISDIR', 'ENOTSUP', 'EPERM'];

/** The files of this machine. */
export const nodeFileSystem: FileSystem = Object.freeze({
  async read(path: string): Promise<Uint8Array | undefined> {
    const size = await unlessMissing(stat(path).then((stats) => stats.size));
    if (size === undefined) return undefined;
    if (size > mostBytes) throw new Error(`${path} has ${size} bytes, more than ${mostBytes}`);
    return unlessMissing(readFile(path));
  },
  async list(folder: string): Promise<readonly string[]> {
    return (await unlessMissing(readdir(folder))) ?? [];
  },
  async create(path: string, content: Uint8Array, { mode, owner }: FileAccess): Promise<void> {
    // Nobody else can read it before it has the mode and the owner that were asked for.
    const file = await open(path, 'wx', mode & 0o700);
    try {
      await file.writeFile(content);
      if (owner !== undefined) await file.chown(owner.uid, owner.gid);
      await file.chmod(mode);
    } finally {
      await file.close();
    }
  },
  async syncFile(path: string): Promise<void> {
    await synced(path);
  },
  async syncFolder(folder: string): Promise<void> {
    try {
      await synced(folder);
    } catch (error) {
      if (!notForFolders.includes(codeOf(error))) throw error;
    }
  },
  rename,
  async remove(path: string): Promise<void> {
    await rm(path, { force: true });
  },
  async modifiedAtMs(path: string): Promise<number | undefined> {
    return unlessMissing(stat(path).then((stats) => stats.mtimeMs));
  },
});

async function synced(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function unlessMissing<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | undefined)?.code);
}
