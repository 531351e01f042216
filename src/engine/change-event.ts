import type { Key, KeyEvent, KeyValue } from '../store/index.js';
import type { Version } from './key-history.js';
import type { Mvcc } from './mvcc.js';

/** One write as the event that watches are told, made once for all of them. */
export class ChangeEvent {
  readonly key: Key;
  readonly type: 'put' | 'delete';
  readonly #version: Version;
  readonly #mvcc: Mvcc;
  #plain: KeyEvent | undefined;
  #withPrevKv: KeyEvent | undefined;

  constructor(version: Version, mvcc: Mvcc) {
    this.key = version.key;
    this.type = version.kv === undefined ? 'delete' : 'put';
    this.#version = version;
    this.#mvcc = mvcc;
  }

  event(prevKv: boolean): KeyEvent {
    this.#plain ??= { type: this.type, kv: this.#version.kv ?? tombstone(this.#version) };
    if (!prevKv) return this.#plain;
    if (this.#withPrevKv === undefined) {
      const previous = this.#previous();
      this.#withPrevKv = previous === undefined ? this.#plain : { ...this.#plain, prevKv: previous };
    }
    return this.#withPrevKv;
  }

  /** The key before this *revision*; none for a put that created it, even where the same revision deleted it first. */
  #previous(): KeyValue | undefined {
    const { key, revision, kv } = this.#version;
    return kv?.createRevision === revision ? undefined : this.#mvcc.before(key, revision);
  }
}

function tombstone(version: Version): KeyValue {
  return {
    key: version.key,
    value: new Uint8Array(0),
    createRevision: 0,
    modRevision: version.revision,
    version: 0,
    lease: '0',
  };
}
