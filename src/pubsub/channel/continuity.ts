import type { Key, KeyEvent, KeyValue } from '../../store/index.js';

/** The last that was seen of a key: version 0 once it was deleted. */
interface Seen {
  readonly createRevision: number;
  readonly version: number;
  readonly modRevision: number;
}

/** Of more keys than that a gap may go unnoticed, which no store leaves. */
const mostKeys = 10_000;

/**
 * Whether anything is missing between the events of keys, as their versions tell: each put counts up by one, from 1 in each life
 * of a key. A watch leaves nothing out, and this would show it if one did.
 */
export class Continuity {
  readonly #seen = new Map<Key, Seen>();

  /** The revisions, both included, of which something must be missing before this event. The first of a key shows nothing. */
  see({ type, kv }: KeyEvent): { readonly fromRevision: number; readonly toRevision: number } | undefined {
    const before = this.#seen.get(kv.key);
    const isNext = type === 'delete' || before === undefined || follows(before, kv);
    this.accept(kv);
    if (isNext) return undefined;
    return { fromRevision: before.modRevision + 1, toRevision: kv.modRevision - 1 };
  }

  /** Whether this is known to be the put after the last one that was seen, or the first of all. */
  isNext(kv: KeyValue): boolean {
    const before = this.#seen.get(kv.key);
    return before === undefined ? kv.version === 1 : follows(before, kv);
  }

  hasSeen(key: Key): boolean {
    return this.#seen.has(key);
  }

  /** Whether the key has been seen, and was there. */
  knows(key: Key): boolean {
    return (this.#seen.get(key)?.version ?? 0) > 0;
  }

  accept({ key, createRevision, version, modRevision }: KeyValue): void {
    if (this.#seen.size >= mostKeys && !this.#seen.has(key)) this.#seen.clear();
    this.#seen.set(key, { createRevision, version, modRevision });
  }

  /** What was seen until now shows nothing of what comes. */
  forget(): void {
    this.#seen.clear();
  }
}

function follows(before: Seen, kv: KeyValue): boolean {
  if (kv.version !== before.version + 1) return false;
  return before.version === 0 || kv.createRevision === before.createRevision;
}
