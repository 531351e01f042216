import { milliseconds } from '../../src/checkers/evidence.js';
import { checkSemaphore, History, type Life } from '../../src/checkers/index.js';
import { broken } from '../../src/checkers/sentences.js';
import { clocksMayHideTime } from '../support/open-client.js';
import { activeWindows } from '../support/plan.js';
import type { World } from '../support/world.js';
import { type Admissions, admissionsOf } from './admissions.js';
import type { Scene } from './scene.js';
import type { Situation } from './situations.js';
import { checkSlices, checkWaitingPlaces } from './slices.js';
import type { SemaphoreWorkload } from './workload.js';

type Reached = (situation: Situation, times: number) => void;

/** Holds everything that was seen against the history, and counts what there was. */
export function judge(
  world: World<SemaphoreWorkload>,
  scene: Scene,
  { drained }: { readonly drained: boolean },
): void {
  const { workload, simulation } = world;
  const history = new History(simulation.history);
  const { prefix, resource, grants, refusals } = scene;
  for (const { belief, process, incarnation } of grants) {
    if (process.status === 'crashed' || process.incarnation !== incarnation) belief.end();
  }
  const counts = checkSemaphore({
    ...{ history, prefix, resource, refusals, drained },
    grants: grants.map((grant) => grant.asGrant()),
  });
  const admissions = admissionsOf(history, prefix);
  const slices = checkSlices(grants, workload);
  // Those that were given up go on until they have left nothing behind.
  const tries = workload.processes.map((callers) =>
    callers.reduce((sum, { way, rounds }) => sum + (way === 'try-acquire' ? rounds : 0), 0),
  );
  checkWaitingPlaces(admissions, workload, Math.max(...tries));
  const met = scene.changes.check(history, scene.limitKey, workload.limit);
  const beliefs = checkBeliefs(world, history, scene);
  if (!drained) return;
  const reached: Reached = (situation, times) => world.reached(situation, times);
  reached('several held at once', counts.sideBySide);
  reached('waited for others', counts.waited);
  reached('passed on within a process', counts.coalesced);
  reached('a slice was ended by its number of grants', slices.endedByGrants);
  reached('a slice was ended by its time, or for want of callers', slices.endedByTime);
  reached('changes of the limit came between each other', met);
  reached('beliefs of processes were held against their places', beliefs);
  countAdmissions(admissions, reached);
  countRefusals(history, scene, reached);
  countLosses(history, scene, reached);
  const left = scene.seats.processes.some(({ isCore }) => !isCore);
  reached('every contender got on when only a core was healed', left ? 1 : 0);
}

/** LOCK-9: nobody believes in a place longer than it stands. Of those whose clocks are what the library claims. */
function checkBeliefs(world: World<SemaphoreWorkload>, history: History, scene: Scene): number {
  const { simulation, plan } = world;
  if (simulation.faultsInjected.has('renewal worth nothing')) return 0;
  const faults = [...activeWindows(plan), ...scene.seats.strokes];
  let beliefs = 0;
  for (const grant of scene.grants) {
    const life = grant.lifeIn(history);
    const wasTaken = life !== undefined && scene.administrator.tookAway(life);
    if (wasTaken || clocksMayHideTime(faults, grant.process.index, simulation.processes.length)) continue;
    beliefs += 1;
    const { endedAtMs = Number.POSITIVE_INFINITY } = grant.belief;
    if (endedAtMs <= (life?.toMs ?? Number.POSITIVE_INFINITY)) continue;
    const until = Number.isFinite(endedAtMs) ? `until ${milliseconds(endedAtMs)}` : 'and still does';
    broken(
      'LOCK-9',
      `${grant.process.name} believed in ${grant.place} ${until}, but it went at ${milliseconds(life?.toMs ?? 0)}`,
    );
  }
  return beliefs;
}

function countAdmissions({ counts }: Admissions, reached: Reached): void {
  reached('several places were taken in one revision', counts.takenTogether);
  reached('a heavy waiter held back a lighter one for which there was room', counts.heldBack);
  reached('the limit was made smaller than what was held', counts.shrunkBelowHeld);
  reached('a larger limit admitted who waited', counts.admittedByLimit);
  reached('the limit was deleted while somebody waited', counts.limitDeleted);
  reached('the limit was spoilt while somebody waited', counts.limitSpoilt);
}

function countRefusals(history: History, { refusals, limitKey }: Scene, reached: Reached): void {
  for (const { weight, askedAtMs = 0 } of refusals) {
    const last = history.eventsOf(limitKey).filter(({ kv }) => {
      return (history.timeOf(kv.modRevision) ?? 0) <= askedAtMs;
    });
    const text = last.at(-1)?.kv.value;
    const limit = text === undefined ? Number.NaN : Number(Buffer.from(text).toString());
    reached(
      limit >= weight
        ? 'a request that a smaller limit overtook was refused'
        : 'a request over the limit was refused at once',
      1,
    );
  }
}

function countLosses(history: History, { grants, traffic, line }: Scene, reached: Reached): void {
  for (const { lostWith } of grants) {
    if (lostWith === 'session-lost') reached('a hold was lost with its session', 1);
    if (lostWith === 'hold-lost') reached('a hold was lost by the deletion of its place', 1);
  }
  const lost = traffic.lostJoins(history);
  reached('a join was applied whose sender had been told that nobody knows', lost.before);
  reached('a join was applied after its sender had been told that nobody knows', lost.after);
  const granted = new Set(grants.map((grant) => grant.lifeIn(history)));
  const unwanted = history.lives(line).filter((life) => !granted.has(life) && wasGivenUp(history, life));
  reached('a place was taken that nobody wanted any more', unwanted.length);
}

/** It was deleted by itself, and not with the lease of its session. */
function wasGivenUp(history: History, { to, lease }: Life): boolean {
  const events = history.entryAt(to)?.events ?? [];
  return lease !== '0' && events.filter(({ type }) => type === 'delete').length === 1;
}
