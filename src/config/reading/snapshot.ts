import { invalidArgument, shown } from '../../errors.js';
import type { ConfigDocument } from '../document.js';

/** A document as one reader is given it. */
export interface ConfigView<T> {
  /** Undefined: there is no such document for this reader. Frozen, as far as it consists of plain objects and arrays. */
  readonly value: T | undefined;
  /** Newest revision that it came of: of the layers of its scope, and of the rollout that it takes. 0 for none. */
  readonly revision: number;
  /** Id of the rollout that this reader takes; undefined: it takes none. */
  readonly rollout: string | undefined;
}

/** What one document is in a snapshot, and the bytes that it was made of. */
export interface Given extends ConfigView<unknown> {
  readonly content: Uint8Array | undefined;
}

/** All documents of a reader as of one revision. It never changes: keep it for as long as things must fit together. */
export class ConfigSnapshot {
  /** As of this revision of the store. */
  readonly revision: number;
  /** It was not read from the store, but given by the process when it started. */
  readonly isOffline: boolean;
  readonly #given: ReadonlyMap<ConfigDocument<unknown>, Given>;

  constructor(
    given: ReadonlyMap<ConfigDocument<unknown>, Given>,
    { revision, isOffline }: { readonly revision: number; readonly isOffline: boolean },
  ) {
    this.#given = given;
    this.revision = revision;
    this.isOffline = isOffline;
  }

  /** Throws `invalid-argument` for a document that the reader was not opened with. */
  get<T>(document: ConfigDocument<T>): T | undefined {
    const given = this.#given.get(document as ConfigDocument<unknown>);
    return (given === undefined ? undeclared(document) : given.value) as T | undefined;
  }

  view<T>(document: ConfigDocument<T>): ConfigView<T> {
    const { value, revision, rollout } = this.given(document as ConfigDocument<unknown>);
    return { value: value as T | undefined, revision, rollout };
  }

  given(document: ConfigDocument<unknown>): Given {
    return this.#given.get(document) ?? undeclared(document);
  }

  get all(): ReadonlyMap<ConfigDocument<unknown>, Given> {
    return this.#given;
  }
}

function undeclared(document: unknown): never {
  const { name = document } = (document ?? {}) as { name?: unknown };
  throw invalidArgument(
    `the document ${shown(name)} is none that this configuration was opened with`,
    'one of its documents',
  );
}
