import { isQuorateError } from '../../errors.js';
import type { Key, KeyRange, RangeOp } from '../../store/index.js';
import type { IsolationRules } from './isolation.js';
import type { Found } from './read-all.js';
import {
  identityOf,
  type RangeQuery,
  type ReadSet,
  type Seen,
  type SeenRange,
  type Snapshot,
  seenOf,
} from './snapshot.js';

export interface ReadsOptions {
  readonly rules: IsolationRules;
  /** Reads all of it in one state. */
  readonly ask: (
    ops: readonly RangeOp[],
  ) => Promise<{ readonly revision: number; readonly found: readonly Found[] }>;
  /** What is known already of what is asked for first, if anything is. */
  readonly known: (first: readonly KeyRange[]) => Snapshot | undefined;
}

/** A key, or a range of keys. */
type Question = { readonly key: Key } | RangeQuery;

interface Answer {
  readonly kvs: readonly (readonly [Key, Seen])[];
  readonly more: boolean;
}

interface Asked {
  readonly question: Question;
  readonly answer: (answer: Answer) => void;
  readonly fail: (error: unknown) => void;
}

/** Operations of one request of reads, at most. */
const mostAtOnce = 100;

/**
 * What one run of a transaction reads. What it asks for at the same time travels in one request. At the levels that see one
 * state, the first answer decides which, and later questions are asked of that.
 */
export class Reads {
  readonly #options: ReadsOptions;
  readonly #keys = new Map<Key, Seen | undefined>();
  readonly #ranges = new Map<string, SeenRange>();
  #known: Snapshot | undefined;
  #hasBegun = false;
  #revision: number | undefined;
  #isProved = true;
  #isBroken = false;
  #asked: Asked[] = [];
  #isAsking = false;

  constructor(options: ReadsOptions) {
    this.#options = options;
  }

  /** The state that it reads is no more: nothing comes of this run, and another may do better. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** What was read until now. */
  get set(): ReadSet {
    return {
      keys: new Map(this.#keys),
      ranges: new Map(this.#ranges),
      revision: this.#revision,
      isProved: this.#isProved,
    };
  }

  async key(key: Key): Promise<Seen | undefined> {
    if (this.#options.rules.keepsReads && this.#keys.has(key)) return this.#keys.get(key);
    const { kvs } = await this.#ask({ key });
    return this.#remember(key, kvs[0]?.[1]);
  }

  async range(query: RangeQuery): Promise<readonly (readonly [Key, Seen])[]> {
    const id = identityOf(query);
    const before = this.#options.rules.keepsRanges ? this.#ranges.get(id) : undefined;
    if (before !== undefined) return this.#present(before.keys);
    const { kvs, more } = await this.#ask(query);
    for (const [key, seen] of kvs) this.#remember(key, seen);
    const keys = kvs.map(([key]) => key);
    this.#ranges.set(id, { query, keys, more });
    return this.#present(keys);
  }

  #present(keys: readonly Key[]): readonly (readonly [Key, Seen])[] {
    return keys.flatMap((key) => {
      const seen = this.#keys.get(key);
      return seen === undefined ? [] : [[key, seen] as const];
    });
  }

  /** Answers what was seen first, where reads repeat. */
  #remember(key: Key, seen: Seen | undefined): Seen | undefined {
    if (this.#options.rules.keepsReads && this.#keys.has(key)) return this.#keys.get(key);
    this.#keys.set(key, seen);
    return seen;
  }

  #ask(question: Question): Promise<Answer> {
    return new Promise((answer, fail) => {
      this.#asked.push({ question, answer, fail });
      if (!this.#isAsking) void this.#askAll();
    });
  }

  async #askAll(): Promise<void> {
    this.#isAsking = true;
    // What is asked for in the same breath is in the first request.
    await Promise.resolve();
    while (this.#asked.length > 0) {
      const asked = this.#asked.splice(0, mostAtOnce);
      try {
        await this.#answer(asked);
      } catch (error) {
        if (isQuorateError(error, 'compacted')) this.#isBroken = true;
        for (const { fail } of asked) fail(error);
      }
    }
    this.#isAsking = false;
  }

  async #answer(asked: readonly Asked[]): Promise<void> {
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      this.#known = this.#options.known(asked.map(({ question }) => question));
    }
    const unknown = asked.filter((one) => !this.#answerFromKnown(one));
    if (unknown.length === 0) return;
    const { rules, ask } = this.#options;
    const at = rules.isSnapshot ? this.#revision : undefined;
    const { revision, found } = await ask(unknown.map(({ question }) => opOf(question, at)));
    this.#note(at ?? revision, true);
    for (const [index, { answer }] of unknown.entries()) {
      const { kvs = [], more = false } = found[index] ?? {};
      answer({ kvs: kvs.map((kv) => [kv.key, seenOf(kv)] as const), more });
    }
  }

  #answerFromKnown({ question, answer }: Asked): boolean {
    const known = this.#known;
    if (known === undefined) return false;
    if (this.#options.rules.isSnapshot && (this.#revision ?? known.revision) !== known.revision) return false;
    if ('rangeEnd' in question) {
      const range = known.ranges.get(identityOf(question));
      if (range === undefined) return false;
      this.#note(known.revision, known.isFresh);
      const kvs = range.keys.flatMap((key) => {
        const seen = known.keys.get(key);
        return seen === undefined ? [] : [[key, seen] as const];
      });
      answer({ kvs, more: range.more });
      return true;
    }
    const { key } = question;
    if (!known.keys.has(key)) return false;
    this.#note(known.revision, known.isFresh);
    const seen = known.keys.get(key);
    answer({ kvs: seen === undefined ? [] : [[key, seen]], more: false });
    return true;
  }

  /** Something was read of the state of this revision. */
  #note(revision: number, isFresh: boolean): void {
    if (!this.#options.rules.keepsReads) this.#revision = revision;
    else {
      if (!isFresh || (this.#revision ?? revision) !== revision) this.#isProved = false;
      this.#revision ??= revision;
    }
  }
}

function opOf(question: Question, revision: number | undefined): RangeOp {
  return { type: 'range', ...question, ...(revision === undefined ? {} : { revision }) };
}
