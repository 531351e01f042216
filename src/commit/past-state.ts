import { isQuorateError } from '../errors.js';
import type { Key, KeyRange, KeyValue, RangeOp, RangeReply, Store } from '../store/index.js';
import { kindOf } from './failures.js';
import type { Stopper } from './stopper.js';

const pageKeys = 500;
/** Ranges asked in one request: well below the store's limit of operations. */
const rangesPerRequest = 64;

/** Something to be known of the past, under an id. */
export type Question =
  /** All keys of the range as they stood at the state's revision. */
  | { readonly id: string; readonly type: 'keys'; readonly range: KeyRange }
  /** What the store answered to this operation, or to the same one at the state's revision. */
  | { readonly id: string; readonly type: 'answer'; readonly op: RangeOp };

/** The keys as they stood at one revision, as far as somebody asked. */
export class PastState {
  /** The keys per range asked for. A question for an answer is noted here too, as a range without keys. */
  readonly ranges = new Map<string, readonly KeyValue[]>();
  /** Every key that has been loaded. */
  readonly keys = new Map<Key, KeyValue>();
  readonly answers = new Map<string, RangeReply>();
  /** What cannot be known any more, with the reason. */
  readonly lost = new Map<string, unknown>();
  readonly #store: Store;
  readonly #stopper: Stopper;
  readonly #revision: number;
  readonly #attemptTimeoutMs: number;

  constructor(store: Store, stopper: Stopper, revision: number, attemptTimeoutMs: number) {
    this.#store = store;
    this.#stopper = stopper;
    this.#revision = revision;
    this.#attemptTimeoutMs = attemptTimeoutMs;
  }

  /** Answers the questions, in as few requests as it can. What was answered stays so if it rejects half way. */
  async load(questions: Iterable<Question>): Promise<void> {
    const perRevision = new Map<number, Question[]>();
    for (const question of questions) {
      if (this.ranges.has(question.id) || this.lost.has(question.id)) continue;
      const revision = this.#revisionOf(question);
      const group = perRevision.get(revision);
      if (group === undefined) perRevision.set(revision, [question]);
      else group.push(question);
    }
    const requests: Promise<void>[] = [];
    for (const group of perRevision.values()) {
      for (let start = 0; start < group.length; start += rangesPerRequest) {
        requests.push(this.#ask(group.slice(start, start + rangesPerRequest)));
      }
    }
    const failed = (await Promise.allSettled(requests)).find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async #ask(questions: readonly Question[]): Promise<void> {
    try {
      const success = questions.map((question) => this.#opOf(question));
      const reply = await this.#store.txn({ compare: [], success, failure: [] }, this.#call());
      for (const [index, question] of questions.entries()) {
        const answer = reply.replies[index];
        if (answer?.type === 'range') await this.#note(question, answer);
      }
    } catch (error) {
      if (kindOf(error) !== 'refused') throw error;
      const [question] = questions;
      if (isQuorateError(error, 'compacted') || questions.length === 1) {
        for (const { id } of questions) if (!this.ranges.has(id)) this.lost.set(id, error);
      } else if (question !== undefined) {
        for (const single of questions) await this.#ask([single]);
      }
    }
  }

  async #note(question: Question, first: RangeReply): Promise<void> {
    if (question.type === 'answer') {
      this.answers.set(question.id, first);
      this.ranges.set(question.id, []);
      return;
    }
    const kvs = [...first.kvs];
    let { more } = first;
    while (more) {
      const key = `${kvs.at(-1)?.key ?? question.range.key}\0`;
      const page = await this.#store.range(
        { ...question.range, key, limit: pageKeys, revision: this.#revision },
        this.#call(),
      );
      kvs.push(...page.kvs);
      more = page.more && page.kvs.length > 0;
    }
    for (const kv of kvs) this.keys.set(kv.key, kv);
    this.ranges.set(question.id, kvs);
  }

  #opOf(question: Question): RangeOp {
    const revision = this.#revisionOf(question);
    if (question.type === 'answer') return { ...question.op, revision };
    const { key, rangeEnd } = question.range;
    return { type: 'range', key, ...(rangeEnd ? { rangeEnd, limit: pageKeys } : {}), revision };
  }

  #revisionOf(question: Question): number {
    return (question.type === 'answer' && question.op.revision) || this.#revision;
  }

  #call(): { timeoutMs: number; signal: AbortSignal } {
    return { timeoutMs: this.#attemptTimeoutMs, signal: this.#stopper.signal };
  }
}
