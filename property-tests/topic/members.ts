/** The members of groups, and what they were handed. */
import type { HandedOut, TopicTenure } from '../../src/checkers/index.js';
import { isQuorateError } from '../../src/errors.js';
import type { Consumer, ConsumerEvent, Delivery, Topic, TopicGap } from '../../src/pubsub/index.js';
import { sleep } from '../../src/runtime/index.js';
import type { Seat } from '../support/seats.js';
import type { Situation } from './situations.js';
import type { MemberPlan } from './workload.js';

/** As it is noted while it goes on. */
type Writable<T> = { -readonly [Name in keyof T]: T[Name] };
type Tenure = Omit<TopicTenure, 'handedOut' | 'gaps'> & {
  readonly handedOut: Writable<HandedOut>[];
  readonly gaps: TopicGap[];
};

export interface MembersOptions {
  readonly nowMs: () => number;
  readonly isHurried: () => boolean;
  readonly reached: (situation: Situation) => void;
  /** The process of this seat is handed a message, or acknowledges one. */
  readonly befall: (seat: Seat, at: 'handles' | 'acknowledges') => void;
}

export class Members {
  readonly tenures: { readonly group: string; readonly tenure: Tenure }[] = [];
  readonly #options: MembersOptions;

  constructor(options: MembersOptions) {
    this.#options = options;
  }

  /** Joins; tries again while that fails. */
  async join(seat: Seat, topic: Topic<string>, plan: MemberPlan): Promise<Consumer<string>> {
    const current = new Map<number, Tenure>();
    const { concurrency, prefetch, ack, attempts, handoverMs } = plan;
    return topic.group(plan.group).consume((message) => this.#handle(seat, plan, current, message), {
      ...{ concurrency, prefetch, ack, attempts, handoverMs, retryDelay: { firstMs: 5, longestMs: 100 } },
      onEvent: (event) => this.#note(seat, plan.group, current, event),
    });
  }

  #note(seat: Seat, group: string, current: Map<number, Tenure>, event: ConsumerEvent): void {
    const { reached } = this.#options;
    const { name } = seat.process;
    switch (event.type) {
      case 'claimed': {
        const { partition, term, asOf } = event;
        const before = this.tenures.findLast(
          (one) => one.group === group && one.tenure.partition === partition,
        );
        if (before !== undefined && before.tenure.term !== term) reached('a partition changed its owner');
        if (before?.tenure.term === term) reached('an owner began anew with the cursor as it stood');
        const tenure: Tenure = { process: name, partition, term, asOf, handedOut: [], gaps: [] };
        current.set(partition, tenure);
        this.tenures.push({ group, tenure });
        return;
      }
      case 'gap':
        reached('a gap was told');
        current.get(event.gap.partition)?.gaps.push(event.gap);
        return;
      case 'fenced':
        if (event.reason.includes("another owner's")) reached('a cursor was refused');
        return;
      case 'dead-lettered':
        reached('a message was put aside');
        return;
      case 'error':
        if (isQuorateError(event.error) && event.error.code !== 'internal') return;
        throw event.error;
      default:
    }
  }

  async #handle(
    seat: Seat,
    plan: MemberPlan,
    current: ReadonlyMap<number, Tenure>,
    message: Delivery<string>,
  ): Promise<void> {
    const { nowMs, reached, befall, isHurried } = this.#options;
    const { revision, index, value: text, attempt } = message;
    const handed: Writable<HandedOut> = { revision, index, text, attempt, beganAtMs: nowMs() };
    current.get(message.partition)?.handedOut.push(handed);
    if (attempt > 1) reached('a message was handed out again');
    befall(seat, 'handles');
    const { runtime } = seat.client;
    if (plan.handleMs > 0) await sleep(runtime, isHurried() ? Math.min(plan.handleMs, 5) : plan.handleMs);
    if (!isHurried() && runtime.random() * 1_000 < plan.failing) {
      if (!message.signal.aborted) handed.failedAtMs = nowMs();
      throw new Error('the handler failed');
    }
    handed.ackedAtMs = nowMs();
    if (plan.ack === 'manual') {
      const acked = message.ack().then(
        () => {
          handed.confirmedAtMs = nowMs();
          reached('an acknowledgement was confirmed');
        },
        (error: unknown) => {
          if (!isQuorateError(error) || error.code === 'internal') throw error;
        },
      );
      befall(seat, 'acknowledges');
      // Some wait for it, and some do not.
      if (plan.handleMs > 0) await acked;
    } else befall(seat, 'acknowledges');
  }
}
