import { invalidArgument, shown } from '../../errors.js';
import { checkWaitOptions, type WaitOptions } from '../../runtime/index.js';
import { checkObject } from '../arguments.js';
import { ConfigDocument } from '../document.js';
import { type ConfigInstance, checkInstance } from '../rollout/rule.js';
import { baseScope, checkScope, type Scope } from '../scope.js';

/** What a reader was given, for a start without the store: of one cluster, as of one revision, by the names of the documents. */
export interface ConfigPicture {
  readonly clusterId: string;
  readonly revision: number;
  /**
   * The content that this reader was given: layers merged, rollouts taken. Absent: there was no such document, or that reader did not read it; so
   * hand a picture only to readers of documents that are among those of the reader that made it.
   */
  readonly contents: ReadonlyMap<string, Uint8Array>;
}

export interface ConfigOptions extends WaitOptions {
  /** What is to be read. Others of the same configuration do not matter to this reader. */
  documents: readonly ConfigDocument<unknown>[];
  /** The environment that this process is of, and the cluster in it: `production/eu-1`. Default: the base alone. */
  scope?: Scope | undefined;
  /** Who this process is, for rollouts. Default: the client's label as its id, no addresses, no labels. */
  instance?: ConfigInstance | undefined;
  /** About so often it is proved that nothing was missed, in ms, a quarter more or less: one read of one key. Default 5,000. */
  proveEveryMs?: number | undefined;
  /**
   * What to begin with, until the store has been read: `open` then does not wait for that. Readers are told that it is offline.
   * Once the same cluster is read, nothing below its revision is given: where that cluster stands there, since it was restored from a
   * backup say, `problem` has code `future-revision`, and readers keep the seed until a change of this configuration is of a later revision, or are opened without it.
   * A seed of which a document fails its schema is left aside as a whole: see `Config.open`.
   */
  seed?: ConfigPicture | undefined;
}

export interface CheckedConfigOptions {
  readonly documents: readonly ConfigDocument<unknown>[];
  readonly scope: Scope;
  readonly instance: ConfigInstance;
  readonly proveEveryMs: number;
  readonly seed: ConfigPicture | undefined;
}

const defaultProveEveryMs = 5_000;

/** Fills in the defaults; refuses with `invalid-argument` what makes no sense. */
export function checkConfigOptions(options: ConfigOptions, label: string): CheckedConfigOptions {
  checkWaitOptions(options, 'opening a configuration');
  const { documents, scope = baseScope, instance = { id: label }, seed } = options;
  const { proveEveryMs = defaultProveEveryMs } = options;
  checkDocuments(documents);
  checkScope(scope);
  checkInstance(instance);
  if (!(typeof proveEveryMs === 'number' && proveEveryMs > 0)) {
    throw invalidArgument(`proveEveryMs is ${shown(proveEveryMs)}`, 'a number of milliseconds above 0');
  }
  if (seed !== undefined) checkSeed(seed);
  return { documents, scope, instance, proveEveryMs, seed };
}

/** Refuses with `invalid-argument` what is no picture. */
function checkSeed(seed: unknown): asserts seed is ConfigPicture {
  const accepted = 'what picture() of a configuration gave: { clusterId, revision, contents }, or none';
  checkObject(seed, 'seed', accepted);
  const { clusterId, revision, contents } = seed as Partial<ConfigPicture>;
  if (typeof clusterId !== 'string') throw invalidArgument(`seed.clusterId is ${shown(clusterId)}`, accepted);
  if (!(Number.isSafeInteger(revision) && (revision as number) >= 0)) {
    throw invalidArgument(`seed.revision is ${shown(revision)}`, accepted);
  }
  if (!(contents instanceof Map)) throw invalidArgument(`seed.contents is ${shown(contents)}`, accepted);
  for (const [name, content] of contents) {
    if (typeof name === 'string' && content instanceof Uint8Array) continue;
    throw invalidArgument(
      `seed.contents has ${shown(content)} for ${shown(name)}`,
      'bytes by the names of documents',
    );
  }
}

/** Refuses with `invalid-argument` what is no list of documents, or has two of one name. */
export function checkDocuments(documents: unknown): asserts documents is readonly ConfigDocument<unknown>[] {
  const accepted = 'an array of at least one ConfigDocument, each of another name';
  if (!Array.isArray(documents) || documents.length === 0) {
    throw invalidArgument(`documents is ${shown(documents)}`, accepted);
  }
  const names = new Set<string>();
  for (const document of documents) {
    if (!(document instanceof ConfigDocument))
      throw invalidArgument('a document is no ConfigDocument', accepted);
    if (names.has(document.name)) throw invalidArgument(`two documents are named ${document.name}`, accepted);
    names.add(document.name);
  }
}
