import { type Failure, failureOf } from './failure.js';
import type { Plan } from './plan.js';
import type { ProcessGuard } from './process-guard.js';
import type { Property } from './property.js';
import { World } from './world.js';

/** What a run did. */
export interface RunCounts {
  readonly virtualMs: number;
  readonly events: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly situations: ReadonlyMap<string, number>;
}

export interface RunResult {
  readonly failure?: Failure;
  readonly counts: RunCounts;
  /** Empty if it was not recorded. */
  readonly timeline: { readonly lines: readonly string[]; readonly hash: string };
}

export interface RunOptions {
  readonly guard: ProcessGuard;
  readonly stuckAfterMs: number;
  readonly recordTimeline: boolean;
}

const nothing: RunResult = {
  counts: { virtualMs: 0, events: 0, faults: new Map(), situations: new Map() },
  timeline: { lines: [], hash: '' },
};

/** Runs a plan once. Answers whatever happens. */
export async function runPlan(property: Property, plan: Plan, options: RunOptions): Promise<RunResult> {
  const { guard, stuckAfterMs, recordTimeline } = options;
  let world: World;
  try {
    world = new World({ plan, situations: property.sometimes, recordTimeline, stuckAfterMs });
  } catch (error) {
    return { ...nothing, failure: failureOf(error) };
  }
  const { simulation } = world;
  let failure: Failure | undefined;
  try {
    await property.run(world);
  } catch (error) {
    failure = failureOf(error);
  }
  const counts: RunCounts = {
    virtualMs: simulation.nowMs,
    events: simulation.events,
    faults: new Map(simulation.faultsInjected),
    situations: world.situations,
  };
  const { timeline } = simulation;
  const told = recordTimeline ? { lines: [...timeline.lines], hash: timeline.hash() } : nothing.timeline;
  const outside = await guard.take();
  failure ??= outside;
  return { counts, timeline: told, ...(failure === undefined ? {} : { failure }) };
}

/** Runs a plan twice, which must go the same way line by line. */
export async function runPlanTwice(
  property: Property,
  plan: Plan,
  options: Omit<RunOptions, 'recordTimeline'>,
): Promise<RunResult> {
  const first = await runPlan(property, plan, { ...options, recordTimeline: true });
  const second = await runPlan(property, plan, { ...options, recordTimeline: true });
  const equal =
    first.timeline.hash === second.timeline.hash &&
    first.counts.events === second.counts.events &&
    first.failure?.message === second.failure?.message;
  if (equal) return first;
  return { ...first, failure: { kind: 'not-repeatable', message: whereTheyDiffer(first, second) } };
}

function whereTheyDiffer(first: RunResult, second: RunResult): string {
  const [ours, theirs] = [first.timeline.lines, second.timeline.lines];
  const at = ours.findIndex((line, index) => line !== theirs[index]);
  const index = at < 0 ? ours.length : at;
  if (index >= ours.length && index >= theirs.length) {
    const end = ({ counts, failure }: RunResult) =>
      `${counts.events} events, ${failure?.message ?? 'passed'}`;
    return `two runs of one plan have equal timelines, but\n  ${end(first)}\n  ${end(second)}`;
  }
  const line = (lines: readonly string[]) => lines[index]?.trim() ?? 'the end';
  return `two runs of one plan differ from line ${index + 1} on:\n  ${line(ours)}\n  ${line(theirs)}`;
}
