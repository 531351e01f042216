import { invalidArgument, QuorateError, shown } from '../../errors.js';
import { bytesOf } from '../../store/index.js';
import { checkObject } from '../arguments.js';
import { ConfigDocument } from '../document.js';
import type { FileAccess } from '../files/file-system.js';
import { checkMode, checkPath } from '../last-known-good/last-known-good-options.js';
import type { ConfigSnapshot } from '../reading/snapshot.js';

/** Makes the content of a file. Undefined: there is to be no file. What it throws is told, and it is asked again. */
export type RenderConfig = (
  snapshot: ConfigSnapshot,
) => string | Uint8Array | undefined | Promise<string | Uint8Array | undefined>;

/** A file that an agent keeps. */
export interface AgentFile {
  path: string;
  /**
   * - A document: JSON of its value; where there is no such document, no file.
   * - Several: a JSON object of their values by their names, without those that are not there. They are of one revision.
   * - A function, for other formats.
   */
  content: ConfigDocument<unknown> | readonly ConfigDocument<unknown>[] | RenderConfig;
  /** Permission bits. Default 0o644. */
  mode?: number | undefined;
  /** Needs the right to give files away. Default: the user and the group of this process. */
  owner?: { readonly uid: number; readonly gid: number } | undefined;
}

export interface CheckedAgentFile extends FileAccess {
  readonly path: string;
  readonly render: (snapshot: ConfigSnapshot) => Promise<Uint8Array | undefined>;
}

const defaultMode = 0o644;

/** Refuses with `invalid-argument` what makes no sense. */
export function checkAgentFiles(files: unknown): readonly CheckedAgentFile[] {
  if (!Array.isArray(files) || files.length === 0) {
    throw invalidArgument(`files is ${shown(files)}`, 'an array of at least one file');
  }
  return files.map((file: AgentFile) => checkAgentFile(file));
}

function checkAgentFile(file: AgentFile): CheckedAgentFile {
  checkObject(file, 'a file', 'an object with path and content');
  const { path, content, mode = defaultMode, owner } = file;
  checkPath(path, 'the path of a file');
  checkMode(mode);
  if (owner !== undefined) checkOwner(owner, path);
  const rendered = rendererOf(content);
  return {
    path,
    mode,
    owner,
    render: async (snapshot) => bytesIn(await rendered(snapshot), path),
  };
}

function checkOwner(owner: unknown, path: string): void {
  const accepted = '{ uid, gid }, or none';
  checkObject(owner, `the owner of ${path}`, accepted);
  const { uid, gid } = owner as Readonly<Record<string, unknown>>;
  if (isId(uid) && isId(gid)) return;
  throw invalidArgument(`the owner of ${path} is of user ${shown(uid)} and group ${shown(gid)}`, accepted);
}

function rendererOf(content: AgentFile['content']): RenderConfig {
  if (typeof content === 'function') return content;
  if (content instanceof ConfigDocument) return (snapshot) => json(snapshot.get(content));
  if (Array.isArray(content) && content.every((one) => one instanceof ConfigDocument)) {
    return (snapshot) =>
      json(Object.fromEntries(content.map((document) => [document.name, snapshot.get(document)])));
  }
  throw invalidArgument(
    'the content of a file is something else',
    'a document, an array of them, or a function',
  );
}

function json(value: unknown): string | undefined {
  return value === undefined ? undefined : `${JSON.stringify(value, null, 2)}\n`;
}

function bytesIn(rendered: unknown, path: string): Uint8Array | undefined {
  if (rendered === undefined || rendered instanceof Uint8Array) return rendered;
  if (typeof rendered === 'string') return bytesOf(rendered);
  throw new QuorateError('codec', `what was rendered for ${path} is neither a text nor bytes`);
}

function isId(id: unknown): boolean {
  return Number.isInteger(id) && (id as number) >= 0;
}
