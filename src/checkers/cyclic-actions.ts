import { electOf } from '../barriers/cyclic/elect.js';
import type { Key } from '../store/index.js';
import type { CyclicMembers } from './cyclic-members.js';
import { atTime, describeLife, milliseconds } from './evidence.js';
import type { History, Life } from './history.js';
import { broken } from './sentences.js';

/** One run of an action, as its process saw it. */
export interface SeenAction {
  /** The label of the client. */
  readonly label: string;
  readonly generation: number;
  readonly beganAtMs: number;
  /** Absent: it was not over when its process died, or when all was over. */
  readonly endedAtMs?: number;
  readonly failed: boolean;
}

interface ActionsCheck {
  readonly history: History;
  readonly prefix: Key;
  readonly actions?: readonly SeenAction[];
  readonly members: CyclicMembers;
  readonly steps: readonly {
    readonly revision: number;
    readonly before: { readonly generation: number; readonly since: number; readonly required: number };
    readonly after: { readonly generation: number; readonly last: string; readonly since: number };
  }[];
}

/** CYCLIC-3, and CYCLIC-1 of claims. */
export function checkActions(check: ActionsCheck): void {
  const { history, prefix, actions, steps } = check;
  if (actions === undefined) return;
  const claims = history.livesOf(`${prefix}elect`);
  for (const claim of claims) {
    checkClaim(check, claim);
    checkEnd(check, claim);
  }
  for (const { revision, before, after } of steps) {
    if (after.generation !== before.generation + 1 || after.last !== 'passed') continue;
    const at = `generation ${before.generation} passed at revision ${revision}${atTime(history.timeOf(revision))}`;
    const claim = claims.find(({ to }) => to === revision);
    if (claim === undefined) broken('CYCLIC-3', `${at}, and nobody had claimed it`);
    const runs = runsOf(check, claim, before.generation);
    const finished = runs.filter(({ failed, endedAtMs }) => !failed && isBefore(endedAtMs, claim.toMs));
    if (finished.length === 1 && runs.length === 1) continue;
    broken('CYCLIC-3', `${at}, under ${describeLife(claim)}, with ${told(runs)}`);
  }
  const unclaimed = actions.find(
    (run) => !claims.some((claim) => runsOf(check, claim, run.generation).includes(run)),
  );
  if (unclaimed !== undefined) broken('CYCLIC-3', `without a claim: ${told([unclaimed])}`);
}

/** The actions that were run for this claim: those of its client that began after it, and before the next one of the same. */
function runsOf(
  { history, prefix, actions = [] }: ActionsCheck,
  claim: Life,
  generation: number,
): readonly SeenAction[] {
  const labelOf = (life: Life) => {
    const kv = history.valueAt(`${prefix}elect`, life.from);
    return kv && electOf(kv)?.label;
  };
  const label = labelOf(claim);
  const next = history
    .livesOf(`${prefix}elect`)
    .find((life) => life.from > claim.from && labelOf(life) === label);
  return actions.filter(
    (run) =>
      run.label === label &&
      run.generation === generation &&
      isBefore(claim.fromMs, run.beganAtMs) &&
      !(next?.fromMs !== undefined && next.fromMs <= run.beganAtMs),
  );
}

function checkClaim({ history, prefix, members }: ActionsCheck, claim: Life): void {
  const kv = history.valueAt(`${prefix}elect`, claim.from);
  const said = kv && electOf(kv);
  const generation = history.valueAt(`${prefix}generation`, claim.from);
  if (said === undefined || generation === undefined) return;
  const record = JSON.parse(Buffer.from(generation.value).toString()) as {
    required: number;
    since?: number;
  };
  const arrived = members.arrivedAt(said.upTo, record.since ?? generation.modRevision);
  if (arrived.length >= record.required) return;
  broken(
    'CYCLIC-1',
    `${describeLife(claim)} claimed it with ${arrived.length} of ${record.required} arrivals`,
  );
}

/** What an elect comes to is what becomes of the generation, unless the claim died, or somebody deleted the generation. */
function checkEnd({ history, prefix }: ActionsCheck, claim: Life): void {
  const events = history.entryAt(claim.to)?.events ?? [];
  const key = `${prefix}generation`;
  // A process that ends it puts its lane too; a lease that ends only deletes.
  const hasDied = events.every(({ type }) => type === 'delete');
  if (hasDied || events.some(({ kv }) => kv.key === key)) return;
  const [was, is] = [history.valueAt(key, claim.from), history.valueAt(key, claim.to)];
  if (was?.createRevision !== is?.createRevision) return;
  broken('CYCLIC-3', `${describeLife(claim)} claimed a generation, which another one ended meanwhile`);
}

function isBefore(oneMs: number | undefined, otherMs: number | undefined): boolean {
  return oneMs !== undefined && (otherMs === undefined || oneMs <= otherMs);
}

function told(runs: readonly SeenAction[]): string {
  if (runs.length === 0) return 'no run of the action';
  return runs
    .map(({ label, generation, beganAtMs, endedAtMs, failed }) => {
      const end = endedAtMs === undefined ? 'never ended' : `ended at ${milliseconds(endedAtMs)}`;
      return `a run by ${label} for generation ${generation}, begun at ${milliseconds(beganAtMs)}, ${end}${failed ? ', failed' : ''}`;
    })
    .join('; ');
}
