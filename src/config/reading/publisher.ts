import { isQuorateError } from '../../errors.js';
import type { MirrorBatch } from '../../mirror/index.js';
import { type Runtime, type Timer, type WaitOptions, waitFor } from '../../runtime/index.js';
import type { KeyValue } from '../../store/index.js';
import type { ConfigDocument } from '../document.js';
import type { ConfigKeys } from '../keys.js';
import { schemaAnswersWithinMs } from '../schema-time.js';
import { LiveRecords } from './live-records.js';
import { type Made, made, problemIn, unansweredIn } from './made.js';
import { type ConfigProblem, unansweredOf, wentBack } from './problem.js';
import { resolve, type Standpoint } from './resolve.js';
import { ConfigSnapshot, type Given } from './snapshot.js';

export interface PublisherOptions {
  readonly runtime: Runtime;
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
 * is. While a schema takes its time, revisions that come meanwhile are taken in, and given together. One that takes longer than
 * `schemaAnswersWithinMs` is told as a problem, and holds up no later revision: that is asked about anew. Should it answer while there is none,
 * what it was asked about is given.
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
  /** Schemas are asked, of the newest revision that was to be given. */
  #check: Check | undefined;
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

  /**
   * Begins with contents from elsewhere, as of a revision; as a whole, or not at all: then it answers why. A schema that has not
   * answered in its time is a reason too. Rejects as `limits` end it.
   */
  async seed(
    contents: ReadonlyMap<string, Uint8Array>,
    revision: number,
    limits: WaitOptions,
  ): Promise<ConfigProblem | undefined> {
    const making = new Map(
      this.#options.documents.map((document) => {
        const content = contents.get(document.name);
        const known = { content, revision: content === undefined ? 0 : revision, rollout: undefined };
        return [document, made(document, () => known)];
      }),
    );
    const unanswered = unansweredIn(making);
    const { signal, timeoutMs = Number.POSITIVE_INFINITY } = limits;
    const wait = { signal, timeoutMs: Math.min(timeoutMs, schemaAnswersWithinMs) };
    let all: readonly Made[];
    try {
      const { runtime } = this.#options;
      all = await waitFor(runtime, Promise.all(making.values()), wait, 'asking the schemas about the seed');
    } catch (error) {
      if (timeoutMs <= schemaAnswersWithinMs || !isQuorateError(error, 'timeout')) throw error;
      return unansweredOf(unanswered, revision);
    }
    const problem = problemIn(all, revision);
    if (problem !== undefined || this.#isClosed) return problem;
    const given = new Map<ConfigDocument<unknown>, Given>();
    for (const one of all) if (one.given !== undefined) given.set(one.document, one.given);
    this.#give(new ConfigSnapshot(given, { revision, isOffline: true }), [...given.keys()]);
    return undefined;
  }

  /** Nothing as of an older revision is given from now on: where the store stands there, that is told as a problem. */
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
    this.#check?.timer.cancel();
  }

  get #isBusy(): boolean {
    return this.#check !== undefined && !this.#check.isOverdue;
  }

  /** In one go, where no schema takes its time. */
  #publish(): void {
    for (;;) {
      const { revision } = this.#records;
      // What was asked before is of an older revision.
      this.#check = undefined;
      if (this.#isClosed) return;
      if (revision < this.#leastRevision) {
        this.#tell(wentBack(this.#options.documents, revision, this.#leastRevision));
        return;
      }
      const asked = [...this.#touched];
      this.#touched.clear();
      const making = new Map(asked.map((document) => [document, this.#make(document)]));
      const all = [...making.values()];
      if (all.some((one) => one instanceof Promise)) {
        this.#await(making, revision);
        return;
      }
      this.#take(all as Made[], revision);
      if (this.#records.revision === revision) return;
    }
  }

  /** Until the schemas have answered, or it is told that they do not. */
  #await(making: ReadonlyMap<ConfigDocument<unknown>, Made | Promise<Made>>, revision: number): void {
    const unanswered = unansweredIn(making);
    const overdue = () => {
      if (this.#check !== check) return;
      check.isOverdue = true;
      // The next revision is about them too.
      for (const document of making.keys()) this.#touched.add(document);
      this.#tell(unansweredOf(unanswered, revision));
      if (this.#records.revision > revision) this.#publish();
    };
    const timer = this.#options.runtime.setTimer(schemaAnswersWithinMs, overdue, { background: true });
    const check: Check = { timer, isOverdue: false };
    this.#check = check;
    void Promise.all(making.values()).then((all) => {
      timer.cancel();
      if (this.#isClosed || this.#check !== check) return;
      this.#check = undefined;
      if (check.isOverdue) this.#touched.clear();
      this.#take(all, revision);
      if (this.#records.revision > revision) this.#publish();
    });
  }

  /** Of the records as they are now. */
  #make(document: ConfigDocument<unknown>): Made | Promise<Made> {
    const { standpoint } = this.#options;
    const resolved = () => resolve(document, this.#records.of(document.name), standpoint);
    return made(document, resolved, this.#current?.given(document));
  }

  #take(all: readonly Made[], revision: number): void {
    const problem = problemIn(all, revision);
    if (problem !== undefined) {
      for (const { document } of all) this.#touched.add(document);
      this.#tell(problem);
      return;
    }
    this.#problem = undefined;
    const given = new Map(this.#current?.all);
    for (const one of all) if (one.given !== undefined) given.set(one.document, one.given);
    const changed = all.filter(({ isSame }) => isSame !== true).map(({ document }) => document);
    this.#give(new ConfigSnapshot(given, { revision, isOffline: false }), changed);
  }

  #tell(problem: ConfigProblem): void {
    this.#problem = problem;
    this.#options.onProblem(problem);
  }

  #give(snapshot: ConfigSnapshot, changed: readonly ConfigDocument<unknown>[]): void {
    this.#current = snapshot;
    this.#options.onSnapshot(snapshot, changed);
  }
}

interface Check {
  readonly timer: Timer;
  /** It is told that it takes too long. */
  isOverdue: boolean;
}
