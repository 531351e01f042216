import { crc32 } from 'node:zlib';
import { bytesOf } from '../../store/index.js';
import { isObject } from '../merge-patch.js';
import type { ConfigPicture } from '../reading/options.js';
import { contentBytes, storedContent } from '../records/content.js';
import { fieldsOf, text, texts, wholeNumber } from '../records/parsing.js';
import type { ConfigInstance } from '../rollout/rule.js';
import type { Scope } from '../scope.js';
import type { FileRefusal } from './refusal.js';

const format = 'quorate-last-known-good';
const version = 1;

/** Who reads: what one is given is not for another. */
export interface PictureOwner {
  /** Keys of the configuration: its namespace and its name. */
  readonly keys: string;
  readonly scope: Scope;
  readonly instance: ConfigInstance;
}

export interface SavedPicture extends ConfigPicture {
  readonly owner: string;
  /** Names of the documents that were read; those that are not among the contents were not there. */
  readonly documents: readonly string[];
  readonly savedAtMs: number;
}

/** The same for the same reader, however its fields are ordered. */
export function ownerText({ keys, scope, instance }: PictureOwner): string {
  const { id, addresses = [], labels = {} } = instance;
  const sorted = Object.entries(labels).sort(([one], [other]) => (one < other ? -1 : 1));
  return JSON.stringify({ keys, scope, id, addresses: [...addresses].sort(), labels: sorted });
}

/** A line that says what follows and how to know that it is whole; then the picture. Both JSON, for people. */
export function encodePicture({ contents, ...known }: SavedPicture): Uint8Array {
  const stored = Object.fromEntries([...contents].map(([name, bytes]) => [name, storedContent(bytes)]));
  const body = bytesOf(`${JSON.stringify({ ...known, contents: stored })}\n`);
  const heading = { format, version, bytes: body.length, crc32: crc32(body) };
  return Buffer.concat([bytesOf(`${JSON.stringify(heading)}\n`), body]);
}

export type Decoded =
  | { readonly picture: SavedPicture }
  | { readonly reason: FileRefusal; readonly why: string };

export function decodePicture(bytes: Uint8Array): Decoded {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const lineEnd = file.indexOf('\n');
  const heading = parsed(file.toString('utf8', 0, Math.max(0, lineEnd)));
  if (heading?.['format'] !== format) return { reason: 'damaged', why: 'it is no such file' };
  const { version: found } = heading;
  if (typeof found === 'number' && found > version) {
    return { reason: 'newer-format', why: `its format is ${found}; this one reads ${version}` };
  }
  const body = file.subarray(lineEnd + 1);
  if (found !== version || body.length !== heading['bytes'] || crc32(body) !== heading['crc32']) {
    return { reason: 'damaged', why: 'its length or its checksum is wrong' };
  }
  try {
    return { picture: pictureIn(fieldsOf(JSON.parse(body.toString('utf8')))) };
  } catch {
    return { reason: 'damaged', why: 'it does not say what it has to' };
  }
}

function pictureIn(fields: Readonly<Record<string, unknown>>): SavedPicture {
  const contents = Object.entries(fieldsOf(fields['contents'])).map(
    ([name, content]) => [name, contentBytes(content) ?? new Uint8Array()] as const,
  );
  return {
    clusterId: text(fields['clusterId']),
    revision: wholeNumber(fields['revision']),
    owner: text(fields['owner']),
    documents: texts(fields['documents']),
    savedAtMs: wholeNumber(fields['savedAtMs']),
    contents: new Map(contents),
  };
}

function parsed(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
