import { milliseconds } from './evidence.js';
import { broken, type InvariantId } from './sentences.js';

/**
 * A time in which a process did nothing at all: paused, asleep or dead. It could not act on what it believed, and its
 * first act afterwards is a comparison of clocks; so a belief that ends within it, or at its end, ended at its beginning.
 */
export interface Standstill {
  readonly process: string;
  readonly fromMs: number;
  /** When it was over, with what the process then took to decide what it still holds. Absent: never. */
  readonly toMs?: number;
}

/** That a process took something for its own, in true time. */
export interface Belief {
  readonly process: string;
  /** For people: what it believed. */
  readonly what: string;
  readonly fromMs: number;
  /** Absent: it still does. */
  readonly toMs: number | undefined;
}

/** When a belief really ended: see {@link Standstill}. */
export function endOfBelief(
  { process, toMs = Number.POSITIVE_INFINITY }: Pick<Belief, 'process' | 'toMs'>,
  standstills: readonly Standstill[],
): number {
  const within = standstills.filter(
    (still) =>
      still.process === process && still.fromMs <= toMs && toMs <= (still.toMs ?? Number.POSITIVE_INFINITY),
  );
  return Math.min(toMs, ...within.map(({ fromMs }) => fromMs));
}

/** Breaks the invariant if two beliefs overlap in true time; an end and a beginning at the same moment do not. */
export function checkDisjoint(
  id: InvariantId,
  beliefs: readonly Belief[],
  standstills: readonly Standstill[],
): void {
  const byProcess = new Map<string, Standstill[]>();
  for (const still of standstills)
    byProcess.set(still.process, [...(byProcess.get(still.process) ?? []), still]);
  const ended = beliefs
    .map((belief) => ({ ...belief, endMs: endOfBelief(belief, byProcess.get(belief.process) ?? []) }))
    .filter(({ fromMs, endMs }) => fromMs < endMs)
    .sort((left, right) => left.fromMs - right.fromMs);
  let last: (typeof ended)[number] | undefined;
  for (const belief of ended) {
    if (last !== undefined && belief.fromMs < last.endMs) {
      const both = Math.min(last.endMs, belief.endMs) - belief.fromMs;
      const overlap = Number.isFinite(both) ? `for ${milliseconds(both)}` : 'until the end';
      broken(id, `${describe(last, last.endMs)}; ${describe(belief, belief.endMs)}; both ${overlap}`);
    }
    if (last === undefined || belief.endMs > last.endMs) last = belief;
  }
}

function describe({ process, what, fromMs }: Belief, endMs: number): string {
  const until = Number.isFinite(endMs) ? `until ${milliseconds(endMs)}` : 'and still does';
  return `${process} believed in ${what} from ${milliseconds(fromMs)} ${until}`;
}
