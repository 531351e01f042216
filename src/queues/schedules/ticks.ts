import { Cron } from 'croner';
import { invalidArgument, shown } from '../../errors.js';

/** When a schedule ticks. */
export type ScheduleRule =
  /** At every whole multiple of so many ms since 1970, UTC: the same moments for everybody. */
  | { readonly everyMs: number }
  /** Five fields, or six with seconds first, as croner reads them, in a time zone by its IANA name. */
  | { readonly cron: string; readonly timezone: string };

/** The moments at which a rule ticks, in wall time. */
export interface Ticks {
  /** The first after a moment; undefined if none ever comes. */
  after(ms: number): number | undefined;
  /** The last ones after `fromMs` and up to `toMs`, at most so many, the earliest first. */
  latest(fromMs: number, toMs: number, most: number): readonly number[];
}

/** A year. */
const longestEveryMs = 365 * 24 * 3_600_000;
const shortestEveryMs = 1_000;
const longestCron = 256;
/** Of cron expressions: the last tick before this much later may be now. */
const resolutionMs = 1_000;

/** Throws `invalid-argument`; otherwise answers a rule with nothing left to defaults. */
export function checkedRule(options: {
  readonly everyMs?: unknown;
  readonly cron?: unknown;
  readonly timezone?: unknown;
}): ScheduleRule {
  const { everyMs, cron, timezone } = options;
  if ((everyMs === undefined) === (cron === undefined)) {
    throw invalidArgument('a schedule with both or none of everyMs and cron', 'one of them');
  }
  if (everyMs !== undefined) {
    if (timezone !== undefined)
      throw invalidArgument(
        'a timezone beside everyMs',
        'none: multiples of everyMs are the same everywhere',
      );
    if (isWhole(everyMs) && everyMs >= shortestEveryMs && everyMs <= longestEveryMs) return { everyMs };
    throw invalidArgument(
      `everyMs is ${shown(everyMs)}`,
      `a whole number of milliseconds from ${shortestEveryMs} to ${longestEveryMs}`,
    );
  }
  const rule = { cron, timezone: timezone ?? 'UTC' } as { cron: string; timezone: string };
  if (typeof rule.cron !== 'string' || rule.cron.length > longestCron || typeof rule.timezone !== 'string') {
    throw invalidArgument(
      'cron or timezone is no text, or too long',
      'a cron expression and the name of a time zone',
    );
  }
  let first: number | undefined;
  try {
    first = ticksOf(rule).after(0);
  } catch (cause) {
    throw invalidArgument(
      `the schedule cannot be read: ${String((cause as Error).message)}`,
      'a cron expression and the IANA name of a time zone',
    );
  }
  if (first === undefined) throw invalidArgument(`cron "${rule.cron}" never comes`, 'one that does');
  return rule;
}

export function ticksOf(rule: ScheduleRule): Ticks {
  return 'everyMs' in rule ? new EveryTicks(rule.everyMs) : new CronTicks(rule.cron, rule.timezone);
}

class EveryTicks implements Ticks {
  readonly #everyMs: number;

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  after(ms: number): number {
    return (Math.floor(ms / this.#everyMs) + 1) * this.#everyMs;
  }

  latest(fromMs: number, toMs: number, most: number): readonly number[] {
    const ticks: number[] = [];
    for (let tick = Math.floor(toMs / this.#everyMs) * this.#everyMs; tick > fromMs; tick -= this.#everyMs) {
      if (ticks.length >= most) break;
      ticks.push(tick);
    }
    return ticks.reverse();
  }
}

class CronTicks implements Ticks {
  readonly #cron: Cron;

  constructor(pattern: string, timezone: string) {
    this.#cron = new Cron(pattern, { timezone, paused: true });
  }

  after(ms: number): number | undefined {
    return this.#cron.nextRun(new Date(ms))?.getTime();
  }

  /** From the end, so that a long absence costs no more than what is asked for. */
  latest(fromMs: number, toMs: number, most: number): readonly number[] {
    const ticks: number[] = [];
    let before = toMs + resolutionMs;
    while (ticks.length < most) {
      const [run] = this.#cron.previousRuns(1, new Date(before));
      if (run === undefined || run.getTime() <= fromMs) break;
      before = run.getTime();
      if (before <= toMs) ticks.push(before);
    }
    return ticks.reverse();
  }
}

function isWhole(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value);
}
