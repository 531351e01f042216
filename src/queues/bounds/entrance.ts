import { isPassing, isPassingRead, QuorateError } from '../../errors.js';
import { Backoff, type Runtime, sleep } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { asQuorateError } from '../failures.js';
import type { QueueKeys } from '../keys.js';
import type { Submission } from '../producer/submission.js';
import type { QueueBound } from '../records/index.js';
import { CreditAccount, type Spending } from './credit-account.js';
import { costOf } from './known.js';

const retryDelay = { firstMs: 20, longestMs: 1_000 };

/** What waits behind a group: the size of what is in front, and of all. */
export interface Behind {
  readonly front: Submission | undefined;
  readonly next: number;
  readonly wanted: number;
}

/** Lets the submissions of one producer into a bounded queue, in order, as its credit allows. One group at a time. */
export class Entrance {
  readonly #client: Client;
  readonly #runtime: Runtime;
  readonly #keys: QueueKeys;
  readonly #closed: AbortSignal;
  #account: CreditAccount | undefined;
  #isInUse = false;
  /** Whom the last demand was about: what it is answered says nothing of others, who came later. */
  #askedFor: Submission | undefined;

  constructor(options: { client: Client; keys: QueueKeys; closed: AbortSignal }) {
    this.#client = options.client;
    this.#runtime = options.client.runtime;
    this.#keys = options.keys;
    this.#closed = options.closed;
    this.#closed.addEventListener('abort', () => this.#account?.wake(), { once: true });
  }

  /** There is an account, or will be: what is spent by one group must be known before the next. */
  get isInUse(): boolean {
    return this.#isInUse;
  }

  /** It need not ask anybody for room for all of these. */
  hasCreditFor(group: readonly Submission[]): boolean {
    const account = this.#account;
    if (account?.isSettled !== true) return false;
    return group.reduce((sum, submission) => sum + costOf(submission), 0) <= account.free;
  }

  /**
   * The submissions in front for which there is credit, once there is for the first. `'again'`: that took a while, or is not to
   * be had under this bound, and what was read before may have passed. Rejects as the store does.
   */
  async admit(
    group: readonly Submission[],
    bound: QueueBound,
    behind: Behind,
  ): Promise<readonly Submission[] | 'again'> {
    this.#isInUse = true;
    for (;;) {
      const live = group.filter(({ state }) => state !== 'over');
      const [head] = live;
      if (head === undefined || this.#closed.aborted) return [];
      const count = costOf(head);
      if (count > bound.maxLength) {
        head.reject(tooLong(count, bound));
        continue;
      }
      const account = await this.#open();
      await account.settle();
      if (account.signal.aborted) continue;
      const free = Math.max(0, account.free);
      if (count <= free) return fitting(live, free);
      const wanted = live.reduce((sum, submission) => sum + costOf(submission), behind.wanted);
      const answer = await this.#wait(account, head, wanted);
      if (answer === 'answered') return 'again';
      if (answer === 'refused') head.reject(full(bound));
    }
  }

  /** Pays for a group that was admitted. */
  spending(count: number, { next, wanted }: Behind): Spending {
    if (this.#account === undefined)
      throw new QuorateError('internal', 'a group was admitted without an account');
    return this.#account.spending(count, next, wanted);
  }

  spent(spending: Spending, { front, next }: Behind, revision: number): void {
    this.#askedFor = front;
    this.#account?.spent(spending, next, revision);
  }

  /** A group was refused, or it is not known what became of it. */
  doubt(): void {
    this.#account?.doubt();
  }

  /** Whoever was in front has left, and nobody is behind: others are not to wait for that. `isIdle`: this is still so. */
  async nobodyWaits(isIdle: () => boolean): Promise<void> {
    const backoff = new Backoff(this.#runtime, retryDelay);
    const account = this.#account;
    while (account !== undefined && isIdle() && !account.signal.aborted && !this.#closed.aborted) {
      try {
        await account.askForNothing();
        return;
      } catch {
        await sleep(this.#runtime, backoff.nextMs(), { signal: this.#closed }).catch(() => {});
      }
    }
  }

  /** For when nothing is under way any more. */
  async close(): Promise<void> {
    await this.#account?.close();
  }

  /** `'answered'`: the credit is enough, or was, or the bound is another by now. `'over'`: nobody waits for it, or can. */
  async #wait(
    account: CreditAccount,
    head: Submission,
    wanted: number,
  ): Promise<'answered' | 'refused' | 'over'> {
    const count = costOf(head);
    const isAsked = this.#askedFor === head && account.told === count;
    const isOpen = isAsked && !account.hasAnswered(account.lastAsk);
    const ask = isOpen ? account.lastAsk : await account.ask(count, wanted);
    // Not before: one that failed has told nobody of it.
    this.#askedFor = head;
    head.onOver = () => account.wake();
    for (;;) {
      const changed = account.changed();
      if (account.free >= count) return 'answered';
      if (head.state === 'over' || account.signal.aborted || this.#closed.aborted) return 'over';
      if (account.wasRefused(ask)) return 'refused';
      if (account.hasAnswered(ask)) return 'answered';
      await changed;
    }
  }

  async #open(): Promise<CreditAccount> {
    if (this.#account !== undefined && !this.#account.signal.aborted) return this.#account;
    this.#account = await CreditAccount.open(this.#client, this.#keys);
    return this.#account;
  }
}

/** What may be tried again, of what {@link Entrance.admit} rejects with: whoever waits says how long, and not the opening of a session. */
export function mayAdmitAgain(error: unknown): boolean {
  const { code } = asQuorateError(error);
  return isPassing(error) || isPassingRead(error) || code === 'session-lost' || code === 'unreachable';
}

function fitting(submissions: readonly Submission[], free: number): readonly Submission[] {
  let left = free;
  const end = submissions.findIndex((submission) => {
    left -= costOf(submission);
    return left < 0;
  });
  return end === -1 ? submissions : submissions.slice(0, end);
}

function tooLong(count: number, { maxLength }: QueueBound): QuorateError {
  return new QuorateError('over-limit', `${count} items at once for a queue that holds ${maxLength}`, {
    details: { count, maxLength },
  });
}

function full({ maxLength }: QueueBound): QuorateError {
  return new QuorateError('over-limit', `the queue is full: it holds ${maxLength} items`, {
    details: { maxLength },
  });
}
