import type { Generation } from '../barriers/cyclic/generation.js';
import type { Key } from '../store/index.js';
import type { Arrival, CyclicMembers } from './cyclic-members.js';
import { milliseconds } from './evidence.js';
import type { History } from './history.js';
import { broken } from './sentences.js';

/** What came of a call that waited. Those that were given up, or lost their session, are told nothing of the generation. */
export interface ToldWait {
  /** The label of the client. */
  readonly label: string;
  readonly calledAtMs: number;
  readonly toldAtMs: number;
  readonly outcome: 'passed' | 'broken';
  readonly generation: number;
  /** Of a generation that is broken. */
  readonly reason?: string;
}

interface ToldCheck {
  readonly history: History;
  readonly prefix: Key;
  readonly waits: readonly ToldWait[];
  readonly members: CyclicMembers;
  readonly steps: readonly {
    readonly revision: number;
    readonly before: Generation;
    readonly after: Generation;
  }[];
}

interface Settled extends Arrival {
  readonly generation: number;
  readonly outcome: 'passed' | 'broken';
  /** True times of the arrival, and of what settled it. */
  readonly atMs: number;
  readonly settledAtMs: number;
}

/** CYCLIC-2: each was told what became of an arrival of its own, once, and not before it was so. */
export function checkTold(check: ToldCheck): { toldPassed: number; toldBroken: number } {
  const { history, waits } = check;
  const counts = { toldPassed: 0, toldBroken: 0 };
  if (history.entries.some(({ atMs }) => atMs === undefined)) return counts;
  const settled = settledArrivals(check);
  const used = new Set<Settled>();
  // Who was told first can have had the fewest arrivals.
  for (const wait of waits.toSorted((one, other) => one.toldAtMs - other.toldAtMs)) {
    counts[wait.outcome === 'passed' ? 'toldPassed' : 'toldBroken'] += 1;
    const own = settled.find((arrival) => !used.has(arrival) && isOf(wait, arrival));
    if (own !== undefined) {
      used.add(own);
      continue;
    }
    // A generation that was found broken was not arrived in.
    if (wait.outcome === 'broken' && wasBroken(check, wait)) continue;
    if (wait.reason === 'forgotten' && wasDeleted(check, wait)) continue;
    const { label, outcome, generation, calledAtMs, toldAtMs, reason } = wait;
    broken(
      'CYCLIC-2',
      `${label}, which waited from ${milliseconds(calledAtMs)} on, was told at ${milliseconds(toldAtMs)} that generation ${generation} is ${outcome}${reason === undefined ? '' : ` (${reason})`}: ${arrivalsOf(settled, wait)}`,
    );
  }
  return counts;
}

/** An arrival is of the first generation that ends at its revision or above. */
function settledArrivals({ history, prefix, members, steps }: ToldCheck): readonly Settled[] {
  const settled: Settled[] = [];
  let next = 0;
  const pending = members.arrivals;
  let open: Arrival[] = [];
  const deletions = deletionsOf(history, prefix);
  for (const { revision, before, after } of steps) {
    while ((pending[next]?.arrivedAt ?? Number.POSITIVE_INFINITY) < revision) {
      open.push(pending[next] as Arrival);
      next += 1;
    }
    // What arrived before the key was deleted is of no generation any more.
    const era = deletions.findLast((deleted) => deleted < revision) ?? 0;
    open = open.filter(({ arrivedAt }) => arrivedAt > era);
    const isBreak = after.broken !== undefined && before.broken === undefined;
    const end = isBreak ? revision : after.generation > before.generation ? after.since : 0;
    const outcome = isBreak || after.last === 'broken' ? 'broken' : 'passed';
    const [settledAtMs = 0] = [history.timeOf(revision)];
    for (const arrival of open.filter(({ arrivedAt }) => arrivedAt <= end)) {
      const atMs = history.timeOf(arrival.arrivedAt) ?? 0;
      settled.push({ ...arrival, generation: before.generation, outcome, atMs, settledAtMs });
    }
    open = open.filter(({ arrivedAt }) => arrivedAt > end);
    // Who arrives at a broken generation is settled by its arrival.
    if (after.broken !== undefined && !isBreak) open = [];
  }
  return settled;
}

function isOf(wait: ToldWait, arrival: Settled): boolean {
  return (
    arrival.label === wait.label &&
    arrival.generation === wait.generation &&
    arrival.outcome === wait.outcome &&
    arrival.atMs >= wait.calledAtMs &&
    arrival.settledAtMs <= wait.toldAtMs
  );
}

function wasBroken({ history, steps }: ToldCheck, { generation, calledAtMs, toldAtMs }: ToldWait): boolean {
  return steps.some(({ revision, after }, index) => {
    if (after.generation !== generation || after.broken === undefined) return false;
    const fromMs = history.timeOf(revision) ?? 0;
    const next = steps[index + 1];
    const toMs = next === undefined ? Number.POSITIVE_INFINITY : (history.timeOf(next.revision) ?? 0);
    return fromMs <= toldAtMs && toMs >= calledAtMs;
  });
}

/** Whether the key was gone between the call and what it was told. */
function wasDeleted({ history, prefix }: ToldCheck, { calledAtMs, toldAtMs }: ToldWait): boolean {
  return deletionsOf(history, prefix).some((revision) => {
    const atMs = history.timeOf(revision) ?? 0;
    return calledAtMs <= atMs && atMs <= toldAtMs;
  });
}

function deletionsOf(history: History, prefix: Key): readonly number[] {
  return history
    .eventsOf(`${prefix}generation`)
    .flatMap(({ type, kv }) => (type === 'delete' ? [kv.modRevision] : []));
}

function arrivalsOf(settled: readonly Settled[], { label, calledAtMs, toldAtMs }: ToldWait): string {
  const own = settled
    .filter((one) => one.label === label && one.atMs >= calledAtMs && one.atMs <= toldAtMs)
    .map(
      ({ arrivedAt, generation, outcome, settledAtMs }) =>
        `its arrival at revision ${arrivedAt} was of generation ${generation}, ${outcome} at ${milliseconds(settledAtMs)}`,
    );
  return own.length === 0 ? 'no arrival of its own was settled' : own.join('; ');
}
