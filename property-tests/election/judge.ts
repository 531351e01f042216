import { milliseconds } from '../../src/checkers/evidence.js';
import { checkElection, History, type Life, type SeenByObserver } from '../../src/checkers/index.js';
import { broken } from '../../src/checkers/sentences.js';
import { textOf } from '../../src/store/index.js';
import { clocksMayHideTime } from '../support/open-client.js';
import { activeWindows } from '../support/plan.js';
import type { World } from '../support/world.js';
import type { Scene } from './scene.js';
import type { SeenLeadership } from './seen-leadership.js';
import type { Situation } from './situations.js';
import type { ElectionWorkload } from './workload.js';

/** A term, and the place that it was won by. */
interface PlacedTerm {
  readonly seen: SeenLeadership;
  readonly life: Life | undefined;
  /** When somebody took the place away, if anybody did. */
  readonly takenAwayAtMs: number | undefined;
}

/** Holds everything that was seen against the history, and counts what there was. `last`: the term that all saw last. */
export function judge(world: World<ElectionWorkload>, scene: Scene, last: number | undefined): void {
  const history = new History(world.simulation.history);
  for (const { belief, process, incarnation } of scene.terms) {
    if (process.status === 'crashed' || process.incarnation !== incarnation) belief.end();
  }
  const placed = scene.terms.map((seen): PlacedTerm => {
    const life = seen.lifeIn(history);
    const takenAwayAtMs = life !== undefined && scene.administrator.tookAway(life) ? life.toMs : undefined;
    return { seen, life, takenAwayAtMs };
  });
  const counts = checkElection({
    ...{ history, prefix: scene.prefix, terms: scene.terms.map((seen) => seen.asTerm()) },
    observers: scene.observations.map((one) => observed(one, last)),
    termOfCheckpoint: (value) => Number(textOf(value).split(':')[0]),
  });
  const beliefs = checkBeliefs(world, history, scene, placed);
  if (last === undefined) return;
  const reached = (situation: Situation, times: number) => world.reached(situation, times);
  reached('another candidate won', counts.handovers);
  reached('a checkpoint of an earlier term was found', counts.checkpointsFound);
  reached('beliefs of leaders were held against each other', Math.max(0, beliefs - 1));
  for (const { seen, life } of placed) {
    const wonAt = Math.floor(seen.term / 1_024);
    reached('won alone, by the request that took its place', Number(wonAt === life?.from));
    reached('won after it had waited', Number(wonAt !== life?.from));
  }
  const joins = scene.traffic.lostJoins(history);
  reached('a join was applied whose sender had been told that nobody knows', joins.before);
  reached('a join was applied after its sender had been told that nobody knows', joins.after);
  countLosses(scene, reached);
  countViews(scene, history, reached);
  const left = scene.processes.some(({ isCore }) => !isCore);
  reached('every candidate got on when only a core was healed', left ? 1 : 0);
}

/** Of a process that is left, the present incarnation has had time to see the last term. */
function observed(
  { process, incarnation, views }: Scene['observations'][number],
  last: number | undefined,
): SeenByObserver {
  const isPresent = process.isCore && process.incarnation === incarnation && process.status !== 'crashed';
  return isPresent && last !== undefined ? { views, mustEndAt: last } : { views };
}

/** ELECTION-6, of those whose clocks are what the library claims. Answers how many beliefs there were. */
function checkBeliefs(
  world: World<ElectionWorkload>,
  history: History,
  { prefix, strokes }: Scene,
  placed: readonly PlacedTerm[],
): number {
  const { simulation, plan } = world;
  if (simulation.faultsInjected.has('renewal worth nothing')) return 0;
  const { length } = simulation.processes;
  const faults = [...activeWindows(plan), ...strokes];
  const accountable = placed.filter(
    ({ seen: { process, belief }, takenAwayAtMs = Number.POSITIVE_INFINITY }) => {
      return belief.fromMs < takenAwayAtMs && !clocksMayHideTime(faults, process.index, length);
    },
  );
  for (const { seen, life, takenAwayAtMs } of accountable) {
    const { endedAtMs = Number.POSITIVE_INFINITY } = seen.belief;
    if (takenAwayAtMs !== undefined || endedAtMs <= (life?.toMs ?? Number.POSITIVE_INFINITY)) continue;
    const until = Number.isFinite(endedAtMs) ? `until ${milliseconds(endedAtMs)}` : 'and still does';
    broken(
      'ELECTION-6',
      `${seen.process.name} believed in term ${seen.term} ${until}, but its place went at ${milliseconds(life?.toMs ?? 0)}`,
    );
  }
  const { beliefs } = checkElection({
    ...{ history, prefix, beliefsMustNotOverlap: true, termsInOrderOfWin: true },
    terms: accountable.map(({ seen, takenAwayAtMs }) => seen.asTerm(takenAwayAtMs)),
  });
  return beliefs;
}

type Reached = (situation: Situation, times: number) => void;

function countLosses({ terms }: Scene, reached: Reached): void {
  for (const { belief, process, lostWith } of terms) {
    if (lostWith === 'session-lost') reached('a term was lost with its session', 1);
    if (lostWith === 'hold-lost') reached('a term was lost by the deletion of its place', 1);
    const { endedAtMs } = belief;
    if (!belief.wasLost || endedAtMs === undefined) continue;
    const still = process.standstills.find(({ fromMs, toMs = Number.POSITIVE_INFINITY }) => {
      return fromMs <= endedAtMs && endedAtMs < toMs;
    });
    const { toMs = Number.POSITIVE_INFINITY } = still ?? { toMs: 0 };
    const another = terms.some(
      (other) => other.process !== process && other.belief.fromMs > endedAtMs && other.belief.fromMs < toMs,
    );
    if (another) reached('another led before a paused leader went on', 1);
  }
}

function countViews({ observations, prefix }: Scene, history: History, reached: Reached): void {
  const wins = new Set(
    history
      .eventsOf(`${prefix}leader`)
      .filter(({ type, kv }) => type === 'put' && kv.version === 1)
      .map(({ kv }) => kv.modRevision * 1_024),
  );
  for (const { views } of observations) {
    const seen = new Set<number>();
    for (const view of views) {
      if (view.status === 'unknown') reached('an observer was told that nobody knows who leads', 1);
      else if (view.status === 'none') reached('an observer was told that nobody leads', 1);
      else {
        seen.add(view.term);
        if (view.revision * 1_024 > view.term) reached('an observer was told of a proclamation', 1);
      }
    }
    const [first, last] = [Math.min(...seen), Math.max(...seen)];
    const missed = [...wins].filter((term) => term > first && term < last && !seen.has(term));
    if (missed.length > 0) reached('an observer missed a leader in between', 1);
  }
}
