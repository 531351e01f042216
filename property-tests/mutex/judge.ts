import { milliseconds } from '../../src/checkers/evidence.js';
import { checkMutex, History, type Life } from '../../src/checkers/index.js';
import { checkLockDelay } from '../../src/checkers/lock-delay.js';
import { countSecured, tenureAt, tenuresOf } from '../../src/checkers/place-order.js';
import { broken } from '../../src/checkers/sentences.js';
import { clocksMayHideTime } from '../support/open-client.js';
import { activeWindows } from '../support/plan.js';
import type { World } from '../support/world.js';
import { countGrants } from './grants.js';
import type { Scene } from './scene.js';
import type { SeenGrant } from './seen-grant.js';
import type { Situation } from './situations.js';
import { checkSlices, type SliceCounts } from './slices.js';
import type { MutexWorkload } from './workload.js';

/** A grant, and the place that it was given by. */
interface PlacedGrant {
  readonly grant: SeenGrant;
  readonly life: Life | undefined;
  /** The part of its life in which it was this process's. */
  readonly tenure: Life | undefined;
  /** When somebody took the place away, if anybody did. */
  readonly takenAwayAtMs: number | undefined;
}

/** Holds everything that was seen against the history, and counts what there was. */
export function judge(
  world: World<MutexWorkload>,
  scene: Scene,
  { drained }: { readonly drained: boolean },
): void {
  const history = new History(world.simulation.history);
  const { line, resource, grants } = scene;
  for (const grant of grants) {
    const { process, incarnation } = grant;
    if (process.status === 'crashed' || process.incarnation !== incarnation) grant.die();
  }
  const placed = grants.map((grant): PlacedGrant => {
    const life = grant.lifeIn(history);
    const tenure = life && tenureAt(history, life, grant.revision);
    const isTakenAway =
      life !== undefined &&
      tenure?.to === life.to &&
      scene.administrator.tookAway({ ...tenure, from: life.from });
    return { grant, life, tenure, takenAwayAtMs: isTakenAway ? life.toMs : undefined };
  });
  const all = grants.map((grant) => grant.asGrant());
  const counts = checkMutex({ history, line, grants: all, resource, drained });
  const places = history.lives(line);
  const reached = (situation: Situation, times: number) => {
    if (drained) world.reached(situation, times);
  };
  const slices = checkSlices(history, places, grants, world.workload);
  const beliefs = checkBeliefs(world, history, scene, placed, reached);
  if (!drained) return;
  reached('waited for another process', counts.waited);
  reached('passed on within a process', counts.coalesced);
  reached('beliefs of processes were held against each other', Math.max(0, beliefs - 1));
  countSlices(slices, reached);
  countLosses(world, scene, placed, reached);
  const grantsByName = countGrants(history, line.slice(0, -'l/'.length), line);
  reached('a turn was granted by name', grantsByName.byName);
  reached('who was to be granted the turn by name had gone', grantsByName.passedOver);
  reached('a holder went without naming the next, and others waited for it', grantsByName.unnamed);
  const { guarded, unguarded } = scene.traffic.looksInACrowd;
  reached('a join in a crowd asked only how many there were', guarded);
  reached('a join that asked no more found that nobody stood guard', unguarded);
  const lost = scene.traffic.lostJoins(history);
  reached('a join was applied whose sender had been told that nobody knows', lost.before);
  reached('a join was applied after its sender had been told that nobody knows', lost.after);
  const granted = new Set(placed.map(({ life }) => life));
  const handed = places.filter((place) => tenuresOf(history, place).some(({ handedTo }) => handedTo));
  reached(
    'one was handed the lock as it gave up waiting',
    handed.filter((place) => !isUsed(history, place, placed)).length,
  );
  const unwanted = places.filter((place) => !granted.has(place) && wasGivenUp(history, line, place));
  reached('a place was taken that nobody wanted any more', unwanted.length);
  const left = scene.seats.processes.some(({ isCore }) => !isCore);
  reached('every contender got on when only a core was healed', left ? 1 : 0);
}

/** LOCK-9, of those whose clocks are what the library claims. Answers how many beliefs there were. */
function checkBeliefs(
  world: World<MutexWorkload>,
  history: History,
  { line, seats }: Scene,
  placed: readonly PlacedGrant[],
  reached: Reached,
): number {
  const { simulation, plan, workload } = world;
  if (simulation.faultsInjected.has('renewal worth nothing')) return 0;
  const { length } = simulation.processes;
  const faults = [...activeWindows(plan), ...seats.strokes];
  const accountable = placed.filter(
    ({ grant: { process, belief }, takenAwayAtMs = Number.POSITIVE_INFINITY }) => {
      return belief.fromMs < takenAwayAtMs && !clocksMayHideTime(faults, process.index, length);
    },
  );
  for (const { grant, tenure: life, takenAwayAtMs } of accountable) {
    const { endedAtMs = Number.POSITIVE_INFINITY } = grant.belief;
    if (takenAwayAtMs !== undefined || endedAtMs <= (life?.toMs ?? Number.POSITIVE_INFINITY)) continue;
    const until = Number.isFinite(endedAtMs) ? `until ${milliseconds(endedAtMs)}` : 'and still does';
    broken(
      'LOCK-9',
      `${grant.process.name} believed in token ${grant.token} ${until}, but its place went at ${milliseconds(life?.toMs ?? 0)}`,
    );
  }
  const { beliefs } = checkMutex({
    ...{ history, line, beliefsMustNotOverlap: true, tokensInOrderOfGrant: true },
    grants: accountable.map(({ grant, takenAwayAtMs }) => grant.asGrant(takenAwayAtMs)),
  });
  const { lockDelayMs } = workload;
  if (lockDelayMs > 0) {
    const losses = accountable.flatMap(({ grant, takenAwayAtMs }) =>
      grant.wasNotReleased && takenAwayAtMs === undefined ? [grant.asGrant()] : [],
    );
    const grants = placed.map(({ grant }) => grant.asGrant());
    const waits = checkLockDelay({ history, grants, losses, lockDelayMs });
    reached('a holder died, and the lock waited for the delay', waits);
    reached('a place was secured after waiting', countSecured(history, history.lives(line)));
  }
  return beliefs;
}

type Reached = (situation: Situation, times: number) => void;

function countSlices(slices: SliceCounts, reached: Reached): void {
  reached('stepped back in favour of another process', slices.steppedBack);
  reached('a slice was ended by its number of grants', slices.endedByGrants);
  reached('a slice was ended by its time', slices.endedByTime);
  reached('alone, a slice was longer', slices.longer);
  reached('a process barged: it kept the lock past a slice while another waited', slices.barged);
}

function countLosses(
  world: World<MutexWorkload>,
  { grants, outside }: Scene,
  placed: readonly PlacedGrant[],
  reached: Reached,
): void {
  reached('a late write was refused by a store that knows tokens', outside.refused);
  for (const { grant } of placed) {
    const { belief, lostWith } = grant;
    const { fromMs, endedAtMs = fromMs } = belief;
    if (endedAtMs - fromMs > world.workload.ttlMs) reached('a hold outlasted the TTL', 1);
    if (lostWith === 'session-lost') reached('a hold was lost with its session', 1);
    if (lostWith === 'hold-lost') reached('a hold was lost by the deletion of its place', 1);
    if (!belief.wasLost) continue;
    const still = grant.process.standstills.find(({ fromMs: beganMs, toMs = Number.POSITIVE_INFINITY }) => {
      return beganMs <= endedAtMs && endedAtMs < toMs;
    });
    const another = grants.some(({ process, belief: other }) => {
      const { toMs = Number.POSITIVE_INFINITY } = still ?? { toMs: 0 };
      return process !== grant.process && other.fromMs > endedAtMs && other.fromMs < toMs;
    });
    if (another) reached('another held the lock before a paused holder went on', 1);
  }
}

/** Whoever was last to be handed it was granted the lock by it. */
function isUsed(history: History, life: Life, placed: readonly PlacedGrant[]): boolean {
  const { from } = tenureAt(history, life, life.to);
  return placed.some(({ tenure }) => tenure?.key === life.key && tenure.from === from);
}

/** It was deleted by itself: not with the lease of its session, nor to queue again. */
function wasGivenUp(history: History, line: string, { to }: Life): boolean {
  const events = history.entryAt(to)?.events ?? [];
  return (
    events.filter(({ type }) => type === 'delete').length === 1 &&
    !events.some(({ type, kv }) => type === 'put' && kv.key.startsWith(line))
  );
}
