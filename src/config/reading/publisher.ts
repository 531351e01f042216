import { isQuorateError, QuorateError } from '../../errors.js';
import type { MirrorBatch } from '../../mirror/index.js';
import type { KeyValue } from '../../store/index.js';
import type { ConfigDocument } from '../document.js';
import type { ConfigKeys } from '../keys.js';
import { frozen } from './freeze.js';
import { LiveRecords } from './live-records.js';
import { type Resolved, resolve, type Standpoint } from './resolve.js';
import { ConfigSnapshot, type Given } from './snapshot.js';

/** A revision that readers are not given, since a document of it is not what its schema asks for. */
export interface ConfigProblem {
  readonly revision: number;
  readonly failures: readonly { readonly document: string; readonly error: QuorateError }[];
}

export interface PublisherOptions {
  readonly documents: readonly ConfigDocument<unknown>[];
  readonly keys: ConfigKeys;
  readonly standpoint: Standpoint;
  /** Readers are given this from now on. `changed`: the documents whose content is another than before. */
  readonly onSnapshot: (snapshot: ConfigSnapshot, changed: readonly ConfigDocument<unknown>[]) => void;
  readonly onProblem: (problem: ConfigProblem) => void;
}

/**
 * Makes what readers are given of what stands in the store: once for each change, and of all documents at once. A revision of
 * which any document fails is not given at all, so that nobody sees half of an atomic change; the next that has no such document
 * is. While a schema takes its time, revisions that come meanwhile are taken in, and given together.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #records: LiveRecords;
  readonly #byName: ReadonlyMap<string, ConfigDocument<unknown>>;
  /** Documents whose records have changed since the snapshot. */
  #touched: Set<ConfigDocument<unknown>>;
  #current: ConfigSnapshot | undefined;
  #problem: ConfigProblem | undefined;
  /** Nothing older is given. */
  #leastRevision = 0;
  #isBusy = false;
  #isClosed = false;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#records = new LiveRecords(options.keys);
    this.#byName = new Map(options.documents.map((document) => [document.name, document]));
    this.#touched = new Set(options.documents);
  }

  get current(): ConfigSnapshot | undefined {
    return this.#current;
  }

  /** Why readers are not given the newest revision; undefined: they are, or it is being checked. */
  get problem(): ConfigProblem | undefined {
    return this.#problem;
  }

  /** Newest revision that was taken in. */
  get takenIn(): number {
    return this.#records.revision;
  }

  /** Begins with contents from elsewhere, as of a revision. Rejects with `codec`. */
  async seed(contents: ReadonlyMap<string, Uint8Array>, revision: number): Promise<void> {
    const given = new Map<ConfigDocument<unknown>, Given>();
    for (const document of this.#options.documents) {
      const content = contents.get(document.name);
      const value = content === undefined ? undefined : frozen(await document.decode(content));
      given.set(document, {
        content,
        value,
        revision: content === undefined ? 0 : revision,
        rollout: undefined,
      });
    }
    this.#give(new ConfigSnapshot(given, { revision, isOffline: true }), [...given.keys()]);
  }

  /** Nothing as of an older revision is given from now on. */
  notBefore(revision: number): void {
    this.#leastRevision = revision;
  }

  apply({ changes, revision }: MirrorBatch<KeyValue>): void {
    for (const name of this.#records.apply(changes, revision)) {
      const document = this.#byName.get(name);
      if (document !== undefined) this.#touched.add(document);
    }
    if (!this.#isBusy) this.#publish();
  }

  close(): void {
    this.#isClosed = true;
  }

  /** In one go, where no schema takes its time. */
  #publish(): void {
    for (;;) {
      const { revision } = this.#records;
      if (this.#isClosed || revision < this.#leastRevision) return;
      const made = this.#makeAll();
      const waiting = made.filter((one): one is Promise<Made> => one instanceof Promise);
      if (waiting.length > 0) {
        this.#isBusy = true;
        void Promise.all(made).then((all) => {
          this.#isBusy = false;
          if (this.#isClosed) return;
          this.#take(all, revision);
          if (this.#records.revision > revision) this.#publish();
        });
        return;
      }
      this.#take(made as Made[], revision);
      if (this.#records.revision === revision) return;
    }
  }

  /** Each made once, of the records as they are now. */
  #makeAll(): readonly (Made | Promise<Made>)[] {
    const { standpoint } = this.#options;
    const touched = [...this.#touched];
    this.#touched.clear();
    return touched.map((document) => {
      try {
        const resolved = resolve(document, this.#records.of(document.name), standpoint);
        const before = this.#current?.given(document);
        if (before !== undefined && isSameContent(before.content, resolved.content)) {
          return { document, given: { ...resolved, value: before.value }, isSame: true };
        }
        return made(document, resolved);
      } catch (error) {
        return { document, error: asQuorateError(error) };
      }
    });
  }

  #take(all: readonly Made[], revision: number): void {
    const failures = all.flatMap(({ document, error }) =>
      error === undefined ? [] : [{ document: document.name, error }],
    );
    if (failures.length > 0) {
      for (const { document } of all) this.#touched.add(document);
      this.#problem = { revision, failures };
      this.#options.onProblem(this.#problem);
      return;
    }
    this.#problem = undefined;
    const given = new Map(this.#current?.all);
    for (const one of all) if (one.given !== undefined) given.set(one.document, one.given);
    const changed = all.filter(({ isSame }) => isSame !== true).map(({ document }) => document);
    this.#give(new ConfigSnapshot(given, { revision, isOffline: false }), changed);
  }

  #give(snapshot: ConfigSnapshot, changed: readonly ConfigDocument<unknown>[]): void {
    this.#current = snapshot;
    this.#options.onSnapshot(snapshot, changed);
  }
}

interface Made {
  readonly document: ConfigDocument<unknown>;
  readonly given?: Given;
  readonly error?: QuorateError;
  /** The content is what it was. */
  readonly isSame?: boolean;
}

function made(document: ConfigDocument<unknown>, resolved: Resolved): Made | Promise<Made> {
  if (resolved.content === undefined) return { document, given: { ...resolved, value: undefined } };
  const of = (value: unknown): Made => ({ document, given: { ...resolved, value: frozen(value) } });
  const value = document.decode(resolved.content);
  if (!(value instanceof Promise)) return of(value);
  return value.then(of).catch((error: unknown) => ({ document, error: asQuorateError(error) }));
}

function isSameContent(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return Buffer.compare(one, other) === 0;
}

function asQuorateError(error: unknown): QuorateError {
  if (isQuorateError(error)) return error;
  return new QuorateError('internal', 'a document could not be read in an unforeseen way', { cause: error });
}
