/**
 * A snapshot on disk: one line of JSON that says what follows and how to know that it is whole, then the state as
 * JSON.
 *
 * Written beside its place, flushed and moved over it, so that whatever happens meanwhile the file holds one whole
 * snapshot, the old or the new. A file that is not whole is refused and never taken for an empty store.
 */
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import type { EngineSnapshot } from '../engine/index.js';
import { QuorateError } from '../errors.js';
import type { Identity } from './member.js';

const format = 'quorate-embedded-snapshot';
const version = 1;

/** What a snapshot holds: who the server is, and the engine's own plain data. */
export interface SnapshotContents {
  readonly identity: Identity;
  readonly engine: EngineSnapshot;
}

interface Heading {
  readonly format: string;
  readonly version: number;
  readonly bytes: number;
  readonly crc32: number;
}

/** The snapshot in `file`, or nothing if there is no such file. `codec` for one that is damaged or not ours. */
export async function readSnapshot(file: string): Promise<SnapshotContents | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw fileError('unavailable', file, 'cannot be read', error);
  }
  const lineEnd = bytes.indexOf('\n');
  const heading = lineEnd < 0 ? undefined : parseHeading(bytes.toString('utf8', 0, lineEnd));
  if (heading === undefined) throw fileError('codec', file, 'is not a snapshot of this server');
  if (heading.version !== version) {
    throw fileError('codec', file, `has format version ${heading.version}; this one reads ${version}`);
  }
  const body = bytes.subarray(lineEnd + 1);
  if (body.length !== heading.bytes || crc32(body) !== heading.crc32) {
    throw fileError('codec', file, 'is damaged: its length or checksum is wrong');
  }
  return JSON.parse(body.toString('utf8')) as SnapshotContents;
}

/** Tells one writing of the file from another; nothing if there is no file. */
export async function fingerprint(file: string): Promise<string | undefined> {
  const stats = await stat(file).catch(() => undefined);
  return stats && `${stats.ino} ${stats.mtimeMs} ${stats.size}`;
}

function parseHeading(line: string): Heading | undefined {
  try {
    const heading = JSON.parse(line) as Partial<Heading> | null;
    return heading?.format === format ? (heading as Heading) : undefined;
  } catch {
    return undefined;
  }
}

/** Puts the snapshot in the place of the file's last one, in one step. */
export async function writeSnapshot(file: string, contents: SnapshotContents): Promise<void> {
  const body = Buffer.from(JSON.stringify(contents), 'utf8');
  const heading: Heading = { format, version, bytes: body.length, crc32: crc32(body) };
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    const handle = await open(temporary, 'w', 0o600);
    try {
      await handle.writev([Buffer.from(`${JSON.stringify(heading)}\n`), body]);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    await syncFolder(dirname(file));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw fileError('unavailable', file, 'cannot be written', error);
  }
}

/** Makes the renaming itself durable, where the system lets a folder be flushed. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  if (handle === undefined) return;
  await handle.sync().catch(() => {});
  await handle.close();
}

export function fileError(
  code: 'codec' | 'unavailable',
  file: string,
  what: string,
  cause?: unknown,
): QuorateError {
  return new QuorateError(code, `snapshot file ${file} ${what}`, { cause, details: { file } });
}
