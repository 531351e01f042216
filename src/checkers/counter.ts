/** Whether a counter counted: an order in which all calls are answered as they were, and what its key said. */
import { type Key, textOf } from '../store/index.js';
import type { History } from './history.js';
import { checkLinearizable, type Operation } from './linearizability.js';
import { boundedCounterModel, type CounterCall, type CounterReply } from './models.js';
import { broken } from './sentences.js';

/** A call and what came of it. Leave out those that failed with outcome `not-applied`, but for `over-limit`: that is an answer. */
export type CountCall = Operation<CounterCall, CounterReply>;

export interface CounterCheck {
  readonly history: History;
  readonly key: Key;
  readonly initial: number;
  readonly min: number;
  readonly max: number;
  readonly calls: readonly CountCall[];
  /** Steps that the search for an order of the calls may take. Default 500,000. */
  readonly budget?: number;
}

export interface CounterCounts {
  readonly writes: number;
  /** The search ran out of budget. */
  readonly isUnsearched: boolean;
}

/**
 * Throws `InvariantBroken` for
 * - COUNTER-1: calls, and the count at the end, that no order explains; so an addition that was counted twice, or lost, too;
 * - COUNTER-2: a count out of its bounds.
 */
export function checkCounter(options: CounterCheck): CounterCounts {
  const { history, key, initial, min, max, calls, budget = 500_000 } = options;
  const puts = history.eventsOf(key).filter(({ type }) => type === 'put');
  for (const { kv } of puts) {
    const count = Number(textOf(kv.value));
    if (count >= min && count <= max) continue;
    broken('COUNTER-2', `it was ${count} at revision ${kv.modRevision}, and not within ${min} to ${max}`);
  }
  const last = Math.max(0, ...calls.map(({ calledAt, returnedAt = 0 }) => Math.max(calledAt, returnedAt)));
  const final = history.valueAt(key, history.lastRevision);
  const atTheEnd: CountCall = {
    ...{ process: 'the store', call: { do: 'get' }, calledAt: last + 1, returnedAt: last + 2 },
    reply: { count: final === undefined ? initial : Number(textOf(final.value)) },
  };
  const model = boundedCounterModel({ initial, min, max });
  const result = checkLinearizable(model, [...calls, atTheEnd], { budget });
  if (result.verdict === 'not-linearizable') {
    const stuck = result.stuck.map(
      ({ process, call, reply }) => `${process} ${JSON.stringify(call)} answered ${JSON.stringify(reply)}`,
    );
    broken(
      'COUNTER-1',
      `after ${result.longest.length} calls, at ${result.state}, none fits of: ${stuck.join('; ')}`,
    );
  }
  return { writes: puts.length, isUnsearched: result.verdict === 'out-of-budget' };
}
