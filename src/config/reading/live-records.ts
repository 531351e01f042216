import type { MirrorChange } from '../../mirror/index.js';
import type { KeyValue } from '../../store/index.js';
import type { ConfigKeys } from '../keys.js';
import { decodeRollout, type RolloutRecord } from '../records/rollout.js';
import type { Scope } from '../scope.js';

/** What stands in the store of one document. */
export interface LiveDocument {
  readonly layers: ReadonlyMap<Scope, KeyValue>;
  readonly rollout: KeyValue | undefined;
}

const nothing: LiveDocument = { layers: new Map(), rollout: undefined };

/** The documents as they stand in the store, as of one revision. */
export class LiveRecords {
  readonly #keys: ConfigKeys;
  readonly #documents = new Map<string, { layers: Map<Scope, KeyValue>; rollout: KeyValue | undefined }>();
  #revision = 0;

  constructor(keys: ConfigKeys) {
    this.#keys = keys;
  }

  get revision(): number {
    return this.#revision;
  }

  of(document: string): LiveDocument {
    return this.#documents.get(document) ?? nothing;
  }

  /** Takes in what has changed up to a revision, as a whole. Answers the names of the documents that it is about. */
  apply(changes: readonly MirrorChange<KeyValue>[], revision: number): ReadonlySet<string> {
    const touched = new Set<string>();
    this.#revision = revision;
    for (const { key, current } of changes) {
      const parsed = this.#keys.parseLive(key);
      if (parsed === undefined || parsed.kind === 'stamp') continue;
      const { document } = parsed;
      touched.add(document);
      const known = this.#documents.get(document) ?? { layers: new Map(), rollout: undefined };
      if (parsed.kind === 'rollout') known.rollout = current;
      else if (current === undefined) known.layers.delete(parsed.scope);
      else known.layers.set(parsed.scope, current);
      if (known.layers.size === 0 && known.rollout === undefined) this.#documents.delete(document);
      else this.#documents.set(document, known);
    }
    return touched;
  }
}

/** Throws `codec`. */
export function rolloutOf({ rollout }: LiveDocument): RolloutRecord | undefined {
  return rollout && decodeRollout(rollout.value);
}
