/** Runs many sequences, several at a time, each on servers of its own that start empty. */
import { startTrio, type Trio } from './contestants.js';
import { Coverage } from './coverage.js';
import { Lockstep } from './lockstep.js';
import { StepSource } from './step-source.js';
import { type DrawnStep, shifted } from './steps.js';

export interface CampaignOptions {
  readonly etcdBinary: string;
  readonly seed: number;
  /** The number of the first sequence; a sequence is known by the seed and its number. */
  readonly first?: number;
  readonly sequences: number;
  /** Sequences at a time. Default 3: while one waits for etcd's clocks, the others go on. */
  readonly lanes?: number;
}

export interface Failure {
  readonly sequence: number;
  readonly steps: readonly DrawnStep[];
  readonly error: unknown;
}

export interface CampaignResult {
  readonly sequences: number;
  readonly coverage: Coverage;
  readonly etcdVersion: string;
  readonly failure: Failure | undefined;
}

/** Ends at the first failure. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { etcdBinary, seed, first = 0, sequences, lanes = 3 } = options;
  const coverage = new Coverage();
  let next = first;
  let done = 0;
  let etcdVersion = '';
  let failure: Failure | undefined;
  const lane = async () => {
    // Servers of the next sequence start while this one runs.
    let upcoming: Promise<Trio> | undefined;
    while (next < first + sequences && failure === undefined) {
      const sequence = next;
      next += 1;
      const trio = await (upcoming ?? startTrio(etcdBinary));
      upcoming = next < first + sequences ? startTrio(etcdBinary) : undefined;
      // Its failure is seen when it is awaited.
      upcoming?.catch(() => {});
      etcdVersion = trio.etcdVersion;
      const failed = await runSequence(trio, seed, sequence, coverage).finally(() => trio.close());
      if (failed !== undefined) failure ??= failed;
      else done += 1;
    }
    await (await upcoming)?.close();
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return { sequences: done, coverage, etcdVersion, failure };
}

async function runSequence(
  trio: Trio,
  seed: number,
  sequence: number,
  coverage: Coverage,
): Promise<Failure | undefined> {
  const source = new StepSource(seed, sequence);
  const lockstep = new Lockstep(trio, coverage);
  const steps: DrawnStep[] = [];
  try {
    for (let count = 0; count < source.length; count += 1) {
      const situation = lockstep.situation;
      const step = source.next(situation);
      steps.push({ step, atRevision: situation.revision });
      await lockstep.take(step);
    }
    await lockstep.finish();
    return undefined;
  } catch (error) {
    return { sequence, steps, error };
  } finally {
    lockstep.close();
  }
}

export interface Replay {
  /** What went wrong; undefined: nothing. */
  readonly error: unknown;
  /** The steps as they were taken, up to the one that went wrong. */
  readonly taken: readonly DrawnStep[];
}

/** Takes the steps on fresh servers, their revisions moved to where the store is by then. */
export async function replay(etcdBinary: string, steps: readonly DrawnStep[]): Promise<Replay> {
  const trio = await startTrio(etcdBinary);
  const lockstep = new Lockstep(trio, new Coverage());
  const taken: DrawnStep[] = [];
  try {
    for (const { step, atRevision } of steps) {
      const { revision } = lockstep.situation;
      const moved = shifted(step, revision - atRevision);
      taken.push({ step: moved, atRevision: revision });
      await lockstep.take(moved);
    }
    await lockstep.finish();
    return { error: undefined, taken };
  } catch (error) {
    return { error, taken };
  } finally {
    lockstep.close();
    await trio.close();
  }
}
