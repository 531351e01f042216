import {
  type FaultKind,
  type ProcessContext,
  Simulation,
  type SimulationOptions,
} from '../../src/simulator/index.js';
import { put, type TxnReply, txnOf } from '../../src/store/index.js';

/** A simulation with one process that does nothing by itself: what it does, the test tells it. */
export async function oneProcess(options: Partial<SimulationOptions> = {}) {
  const simulation = new Simulation({ seed: 7, latencyMs: { min: 1, max: 2 }, ...options });
  let context: ProcessContext | undefined;
  const process = simulation.start('p', (given) => {
    context = given;
    return new Promise<void>(() => {});
  });
  await simulation.run(0);
  const given = () => {
    if (context === undefined) throw new Error('the process has not started');
    return context;
  };
  return {
    simulation,
    process,
    context: given,
    write: (key: string, value = '', timeoutMs?: number): Promise<TxnReply> =>
      given().store.txn(txnOf({ success: [put(key, value)] }), timeoutMs === undefined ? {} : { timeoutMs }),
    /** From now on, for `durationMs`. */
    fault: (kind: FaultKind, durationMs = 1_000, target = 0) =>
      simulation.inject({ atMs: simulation.nowMs, durationMs, kind, target }),
    /** What became of a promise after so much time: its value, its error, or undefined. */
    async outcome<T>(
      promise: Promise<T>,
      withinMs: number,
    ): Promise<{ value?: T; error?: unknown } | undefined> {
      let outcome: { value?: T; error?: unknown } | undefined;
      promise.then(
        (value) => {
          outcome = { value };
        },
        (error: unknown) => {
          outcome = { error };
        },
      );
      await simulation.runUntil(() => outcome !== undefined, withinMs);
      return outcome;
    },
  };
}
