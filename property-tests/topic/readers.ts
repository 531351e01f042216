/** Those who read without a group, and what they were given. */
import type { ReadText } from '../../src/checkers/index.js';
import { isQuorateError } from '../../src/errors.js';
import type { Topic, TopicStart } from '../../src/pubsub/index.js';
import { sleep } from '../../src/runtime/index.js';
import type { SimulatedProcess } from '../../src/simulator/index.js';
import type { Seat } from '../support/seats.js';
import type { Situation } from './situations.js';
import type { ProcessPlan } from './workload.js';

export interface Told {
  readonly process: SimulatedProcess;
  readonly incarnation: number;
  readonly items: ReadText[];
  readonly after: number | undefined;
  readonly isFromStart: boolean;
  hasEnded: boolean;
}

export class Readers {
  readonly told: Told[] = [];
  readonly #isHurried: () => boolean;
  readonly #reached: (situation: Situation) => void;

  constructor(options: { isHurried: () => boolean; reached: (situation: Situation) => void }) {
    this.#isHurried = options.isHurried;
    this.#reached = options.reached;
  }

  isStanding({ process, incarnation, hasEnded }: Told): boolean {
    return process.isCore && process.status !== 'crashed' && process.incarnation === incarnation && !hasEnded;
  }

  /** One who was there before goes on with the revision that it was given last. */
  async read(seat: Seat, topic: Topic<string>, { reads, readMs }: ProcessPlan): Promise<void> {
    if (reads === 'nothing') return;
    const { process, incarnation, client } = seat;
    const before = this.told.findLast((told) => told.process === process)?.items.at(-1);
    const revision = before?.type === 'message' ? before.revision : 1;
    const from: TopicStart = reads === 'revision' ? { revision } : reads;
    const after = reads === 'now' ? undefined : reads === 'start' ? 0 : revision - 1;
    const told: Told = {
      process,
      incarnation,
      items: [],
      after,
      isFromStart: reads === 'start',
      hasEnded: false,
    };
    this.told.push(told);
    try {
      for await (const item of topic.read({ from })) {
        if (item.type === 'unreadable') throw item.error;
        if (item.type === 'gap') {
          this.#reached('a gap was told');
          if (told.items.length === 0) this.#reached('a reader began where nothing was any more');
          told.items.push(item);
        } else {
          const { partition, index, value: text } = item;
          told.items.push({ type: 'message', partition, revision: item.revision, index, text });
        }
        if (readMs > 0 && !this.#isHurried()) await sleep(client.runtime, readMs);
      }
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
    } finally {
      told.hasEnded = true;
    }
  }
}
