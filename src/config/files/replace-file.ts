import { basename, dirname, join } from 'node:path';
import type { Runtime } from '../../runtime/index.js';
import type { FileAccess, FileSystem } from './file-system.js';

/** What is of a writer that died: no writer takes so long. */
const abandonedAfterMs = 60_000;
const temporary = /^\.[0-9a-f]{16}\.tmp$/;

export interface Replacement extends FileAccess {
  readonly path: string;
  readonly content: Uint8Array;
}

/**
 * Puts a content in the place of a file, in one step: whoever reads it, and whatever breaks down at whatever moment, it has one
 * whole content, the old or the new. Once it resolves, that is the new. Where it fails nothing of it is left, unless the
 * process dies: see {@link removeAbandoned}.
 */
export async function replaceFile(
  files: FileSystem,
  runtime: Pick<Runtime, 'newId'>,
  { path, content, ...access }: Replacement,
): Promise<void> {
  const beside = `${path}.${runtime.newId()}.tmp`;
  try {
    await files.create(beside, content, access);
    // A name that is durable before its content is one for nothing.
    await files.syncFile(beside);
    await files.rename(beside, path);
  } catch (error) {
    await files.remove(beside).catch(() => {});
    throw error;
  }
  await files.syncFolder(dirname(path));
}

/** Takes away what writers left that died on the way, of files whose paths begin with this one. Never rejects. */
export async function removeAbandoned(
  files: FileSystem,
  runtime: Pick<Runtime, 'wallMs'>,
  path: string,
): Promise<void> {
  const folder = dirname(path);
  const names = await files.list(folder).catch(() => []);
  const start = basename(path);
  for (const name of names) {
    if (!name.startsWith(start) || !temporary.test(name.slice(-21))) continue;
    const left = join(folder, name);
    const modifiedAtMs = await files.modifiedAtMs(left).catch(() => undefined);
    if (modifiedAtMs === undefined || runtime.wallMs() - modifiedAtMs < abandonedAfterMs) continue;
    await files.remove(left).catch(() => {});
  }
}
