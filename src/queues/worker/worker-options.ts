import { invalidArgument, shown } from '../../errors.js';

export interface WorkerOptions {
  /** Handlers that run at the same time. Default 1. */
  concurrency?: number;
  /** Jobs given to this worker ahead, waiting in its memory for a handler to end. Default: `concurrency`, at most 200. */
  prefetch?: number;
  /** Before a failed job is given out again: doubled with each failure, from `firstMs` (1,000) to `longestMs` (60,000), less up to half by chance. */
  retryDelay?: { firstMs?: number; longestMs?: number };
  /**
   * Failures after which a job goes to the dead letters. An item's own `attempts` comes first. Default: no limit, the job is
   * tried again for ever.
   */
  attempts?: number;
  /**
   * A job that was with so many workers as they were lost goes to the dead letters when it is next given out, and its
   * handler is not run: a job that kills its process must not kill the fleet for ever. Counts for all jobs that a worker held,
   * those waiting in its memory too, since nobody can tell which one it was. Default 10; `Infinity` for no limit.
   */
  maxLosses?: number;
  /** A handler that runs for so many milliseconds without calling `job.progress`, or ending a job, is told as `stalled`. Default: never. */
  stallMs?: number;
  /** Waiting items that this worker keeps in memory while it dispatches; further ones are read when it is their turn. Default 20,000. */
  mirror?: number;
  /** For people: who holds a job. Default: the client's. */
  label?: string;
}

/** How jobs are gathered for one call of a handler. */
export interface BatchOptions {
  /** Jobs in a batch, at most; a whole number from 1. */
  size: number;
  /**
   * How long the first job of a batch waits for others, at most; from 0 to an hour, in ms. A batch that waits for another to end
   * goes on taking jobs. Default 0: what has come.
   */
  lingerMs?: number;
}

export interface BatchWorkerOptions extends WorkerOptions {
  batch: BatchOptions;
  /** Batches that run at the same time. Default 1. */
  concurrency?: number;
  /** Jobs given to this worker ahead. Default: as many as run at a time, at most 200. */
  prefetch?: number;
}

export interface WorkerSettings {
  /** Handlers at a time. */
  readonly concurrency: number;
  /** Jobs at a time. */
  readonly jobsAtOnce: number;
  readonly batch: { readonly size: number; readonly lingerMs: number };
  readonly slots: number;
  readonly retryDelay: { readonly firstMs: number; readonly longestMs: number };
  readonly attempts: number;
  readonly maxLosses: number;
  readonly stallMs: number;
  readonly mirror: number;
  readonly label: string | undefined;
}

const mostHandlers = 10_000;
const longestLingerMs = 3_600_000;
const oneByOne = { size: 1, lingerMs: 0 };

/** Throws `invalid-argument`. Without a batch, one by one. */
export function checkBatch(batch: unknown): WorkerSettings['batch'] {
  if (typeof batch !== 'object' || batch === null) {
    throw invalidArgument(`batch is ${batch === null ? 'null' : typeof batch}`, '{ size, lingerMs }');
  }
  const { size, lingerMs = 0 } = batch as Partial<BatchOptions>;
  checkWhole(size, 'batch.size', 1, mostHandlers);
  checkWhole(lingerMs, 'batch.lingerMs', 0, longestLingerMs);
  return { size, lingerMs };
}

export function checkWorkerOptions(options: WorkerOptions, batch = oneByOne): WorkerSettings {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgument('the options of a worker are no object', 'an object, or none');
  }
  const { concurrency = 1, label } = options;
  checkWhole(concurrency, 'concurrency', 1, mostHandlers);
  const jobsAtOnce = concurrency * batch.size;
  checkWhole(jobsAtOnce, 'concurrency times batch.size', 1, mostHandlers);
  const { prefetch = Math.min(jobsAtOnce, 200) } = options;
  checkWhole(prefetch, 'prefetch', 0, mostHandlers);
  const { firstMs = 1_000, longestMs = 60_000 } = options.retryDelay ?? {};
  checkWhole(firstMs, 'retryDelay.firstMs', 0, Number.MAX_SAFE_INTEGER);
  checkWhole(longestMs, 'retryDelay.longestMs', firstMs, Number.MAX_SAFE_INTEGER);
  const { mirror = 20_000 } = options;
  checkWhole(mirror, 'mirror', 2, 10_000_000);
  const { attempts = Number.POSITIVE_INFINITY, maxLosses = 10, stallMs = Number.POSITIVE_INFINITY } = options;
  checkLimit(attempts, 'attempts');
  checkLimit(maxLosses, 'maxLosses');
  checkLimit(stallMs, 'stallMs');
  if (label !== undefined && typeof label !== 'string') throw invalidArgument('label is no text', 'a string');
  return {
    ...{ concurrency, jobsAtOnce, batch, slots: jobsAtOnce + prefetch, mirror },
    ...{ retryDelay: { firstMs, longestMs }, label },
    ...{ attempts, maxLosses, stallMs },
  };
}

/** A whole number from 1, or infinity. */
function checkLimit(value: unknown, what: string): void {
  if (value !== Number.POSITIVE_INFINITY) checkWhole(value, what, 1, Number.MAX_SAFE_INTEGER);
}

export function checkWhole(
  value: unknown,
  what: string,
  least: number,
  most: number,
): asserts value is number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw invalidArgument(`${what} is ${shown(value)}`, `a whole number from ${least} to ${most}`);
}
