import { asUnknown, type QuorateError } from '../../errors.js';
import { Patience, type Runtime } from '../../runtime/index.js';
import type { Draft, Enqueued, Submission } from './submission.js';

/** What enters in one revision, all or none. */
const itemsPerSubmission = 600;
const bytesPerSubmission = 500_000;
/** Of the operations of an item, beside its key and value, and of a condition beside the key that decides. */
const bytesPerItem = 32;
const bytesPerCondition = 192;
/** A condition compares its key, writes it and reads it. */
const timesConditionKey = 3;

type Results = readonly (Enqueued | undefined)[];

/**
 * A call whose caller waits for its items to enter, and for no longer than it said. Ends once: with all results in order, with
 * the first failure once every part has its answer, or when the caller's patience is over. Its failure has outcome `unknown` if
 * one of its parts has entered or may still.
 */
export class WaitingCall {
  readonly results: Promise<Results>;
  readonly #itemKeyBytes: number;
  readonly #apart: boolean;
  readonly #patience: Patience;
  #parts: Submission[] = [];
  #answers: Results[] = [];
  #missing = 0;
  #failure: QuorateError | undefined;
  /** A part has entered, or may have. */
  #entered = false;
  #over = false;
  #resolve!: (results: Results) => void;
  #reject!: (error: QuorateError) => void;

  /** `itemKeyBytes`: how long the keys of items are. `apart`: its items need not enter together. */
  constructor(options: {
    runtime: Runtime;
    signal: AbortSignal | undefined;
    timeoutMs: number;
    doing: string;
    itemKeyBytes: number;
    apart: boolean;
  }) {
    const { runtime, doing, itemKeyBytes, apart } = options;
    this.#itemKeyBytes = itemKeyBytes;
    this.#apart = apart;
    this.results = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#patience = new Patience(runtime, options, doing, (error) => this.#giveUp(error));
  }

  get isOver(): boolean {
    return this.#over;
  }

  /** What is to be submitted, in this order. Nothing if it is over. */
  divide(drafts: readonly Draft[]): readonly Submission[] {
    if (this.#over) return [];
    const parts = partsOf(drafts, this.#itemKeyBytes, this.#apart ? 1 : itemsPerSubmission);
    this.#missing = parts.length;
    if (parts.length === 0) this.#end(() => this.#resolve([]));
    this.#parts = parts.map((part, index) => this.#submission(part, index));
    return this.#parts;
  }

  /** It cannot even be submitted. */
  fail(error: QuorateError): void {
    this.#end(() => this.#reject(error));
  }

  #submission({ drafts, bytes }: Part, index: number): Submission {
    const submission: Submission = {
      ...{ drafts, bytes, state: 'pending' },
      resolve: (results) => {
        this.#entered = true;
        this.#answers[index] = results;
        this.#answered(submission);
      },
      reject: (error) => {
        if (error.outcome === 'unknown') this.#entered = true;
        this.#failure ??= error;
        this.#answered(submission);
      },
    };
    return submission;
  }

  #answered(submission: Submission): void {
    if (submission.state === 'over') return;
    submission.state = 'over';
    submission.onOver?.();
    this.#missing -= 1;
    if (this.#missing > 0) return;
    const failure = this.#failure;
    const [first] = this.#answers;
    const all = this.#answers.length === 1 && first !== undefined ? first : this.#answers.flat();
    if (failure === undefined) this.#end(() => this.#resolve(all));
    else this.#end(() => this.#reject(this.#entered ? asUnknown(failure) : failure));
  }

  #giveUp(error: QuorateError): void {
    const sent = this.#parts.some(({ state }) => state === 'sent');
    this.#end(() => this.#reject(sent || this.#entered ? asUnknown(error) : error));
  }

  #end(settle: () => void): void {
    if (this.#over) return;
    this.#over = true;
    for (const part of this.#parts) {
      part.state = 'over';
      part.onOver?.();
    }
    this.#patience.end();
    settle();
  }
}

interface Part {
  readonly drafts: Draft[];
  bytes: number;
}

function bytesOf({ value, condition, delayMs = 0 }: Draft, itemKeyBytes: number): number {
  const decides = condition === undefined ? 0 : bytesPerCondition + timesConditionKey * condition.key.length;
  const keys = delayMs > 0 ? 2 : 1;
  return value.length + keys * (itemKeyBytes + bytesPerItem) + decides;
}

function partsOf(drafts: readonly Draft[], itemKeyBytes: number, itemsPerPart: number): Part[] {
  const parts: Part[] = [];
  for (const draft of drafts) {
    const bytes = bytesOf(draft, itemKeyBytes);
    const last = parts.at(-1);
    if (last !== undefined && last.drafts.length < itemsPerPart && last.bytes + bytes <= bytesPerSubmission) {
      last.drafts.push(draft);
      last.bytes += bytes;
    } else parts.push({ drafts: [draft], bytes });
  }
  return parts;
}
