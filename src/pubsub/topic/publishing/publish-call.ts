import { asUnknown, type QuorateError } from '../../../errors.js';
import { Patience, type Runtime } from '../../../runtime/index.js';
import { framedBytes } from '../frame.js';

/** A message that is to be published. */
export interface Draft {
  readonly key: string | undefined;
  readonly payload: Uint8Array;
  /** Undefined: any, as suits the group. */
  readonly partition: number | undefined;
}

/** Where a message is. */
export interface Published {
  readonly partition: number;
  /** The revision that put it. */
  readonly revision: number;
  /** Among the messages of the partition that this revision put. */
  readonly index: number;
}

/** Messages of one call that are put in one revision. */
export interface Portion {
  readonly drafts: readonly Draft[];
  readonly bytes: number;
  /** `'over'` once nobody waits for it any more. */
  state: 'pending' | 'sent' | 'over';
  resolve(published: readonly Published[]): void;
  reject(error: QuorateError): void;
}

/** What one group carries. Whoever reads a partition holds a frame as a whole. */
export const messagesPerGroup = 512;
export const bytesPerGroup = 512 * 1_024;

/** One call of `publish` or `publishAll`: what it is divided into, and how it ends. */
export class PublishCall {
  readonly published: Promise<readonly Published[]>;
  readonly #answers: (readonly Published[])[] = [];
  readonly #patience: Patience;
  #portions: readonly Portion[] = [];
  #missing = 0;
  #failure: QuorateError | undefined;
  /** Something of it was put, or may have been. */
  #entered = false;
  #over = false;
  #resolve!: (published: readonly Published[]) => void;
  #reject!: (error: QuorateError) => void;

  constructor(options: {
    runtime: Runtime;
    signal: AbortSignal | undefined;
    timeoutMs: number;
    doing: string;
  }) {
    this.published = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const { runtime, doing } = options;
    this.#patience = new Patience(runtime, options, doing, (error) => this.#giveUp(error));
  }

  get isOver(): boolean {
    return this.#over;
  }

  /** What is to be submitted, in this order. Nothing if it is over. */
  divide(drafts: readonly Draft[]): readonly Portion[] {
    if (this.#over) return [];
    this.#portions = portionsOf(drafts).map((portion, index) => this.#portion(portion, index));
    this.#missing = this.#portions.length;
    if (this.#missing === 0) this.#end(() => this.#resolve([]));
    return this.#portions;
  }

  /** It cannot even be submitted. */
  fail(error: QuorateError): void {
    this.#end(() => this.#reject(error));
  }

  #portion({ drafts, bytes }: Portioned, index: number): Portion {
    const portion: Portion = {
      ...{ drafts, bytes, state: 'pending' },
      resolve: (published) => {
        this.#entered = true;
        this.#answers[index] = published;
        this.#answered(portion);
      },
      reject: (error) => {
        if (error.outcome === 'unknown') this.#entered = true;
        this.#failure ??= error;
        this.#answered(portion);
      },
    };
    return portion;
  }

  #answered(portion: Portion): void {
    if (portion.state === 'over') return;
    portion.state = 'over';
    this.#missing -= 1;
    if (this.#missing > 0) return;
    const failure = this.#failure;
    if (failure === undefined) this.#end(() => this.#resolve(this.#answers.flat()));
    else this.#end(() => this.#reject(this.#entered ? asUnknown(failure) : failure));
  }

  #giveUp(error: QuorateError): void {
    const wasSent = this.#portions.some(({ state }) => state === 'sent');
    this.#end(() => this.#reject(wasSent || this.#entered ? asUnknown(error) : error));
  }

  #end(settle: () => void): void {
    if (this.#over) return;
    this.#over = true;
    for (const portion of this.#portions) portion.state = 'over';
    this.#patience.end();
    settle();
  }
}

interface Portioned {
  readonly drafts: Draft[];
  bytes: number;
}

/** In their order, as many together as one group carries. */
function portionsOf(drafts: readonly Draft[]): readonly Portioned[] {
  const portions: Portioned[] = [];
  for (const draft of drafts) {
    const bytes = framedBytes(draft.key, draft.payload);
    const last = portions.at(-1);
    const fits =
      last !== undefined && last.drafts.length < messagesPerGroup && last.bytes + bytes <= bytesPerGroup;
    if (fits) {
      last.drafts.push(draft);
      last.bytes += bytes;
    } else portions.push({ drafts: [draft], bytes });
  }
  return portions;
}
