import { milliseconds } from '../../src/checkers/evidence.js';
import { checkElection, History, type Life } from '../../src/checkers/index.js';
import { tenureAt } from '../../src/checkers/place-order.js';
import { broken } from '../../src/checkers/sentences.js';
import { textOf } from '../../src/store/index.js';
import { clocksMayHideTime } from '../support/open-client.js';
import { activeWindows } from '../support/plan.js';
import type { World } from '../support/world.js';
import type { Scene } from './scene.js';
import type { SeenObserver } from './seen-observer.js';
import type { SeenTerm } from './seen-term.js';
import type { Situation } from './situations.js';
import type { ElectionWorkload } from './workload.js';

/** A term, and the place that it was won by. */
interface PlacedTerm {
  readonly term: SeenTerm;
  readonly life: Life | undefined;
  /** The part of its life in which it was this candidate's. */
  readonly tenure: Life | undefined;
  /** When somebody took the place away, if anybody did. */
  readonly takenAwayAtMs: number | undefined;
}

const termOfCheckpoint = (value: Uint8Array) => Number(textOf(value).split(':')[0]);

/** Holds everything that was seen against the history, and counts what there was. */
export function judge(
  world: World<ElectionWorkload>,
  scene: Scene,
  { counted }: { readonly counted: boolean },
): void {
  const history = new History(world.simulation.history);
  const { prefix, terms, observers } = scene;
  for (const { belief, process, incarnation } of terms) {
    if (process.status === 'crashed' || process.incarnation !== incarnation) belief.end();
  }
  const placed = terms.map((term): PlacedTerm => {
    const life = term.lifeIn(history);
    const tenure = life && tenureAt(history, life, term.revision);
    const isTaken =
      life !== undefined &&
      tenure?.to === life.to &&
      scene.administrator.tookAway({ ...tenure, from: life.from });
    return { term, life, tenure, takenAwayAtMs: isTaken ? life.toMs : undefined };
  });
  const counts = checkElection({
    ...{ history, prefix, termOfCheckpoint },
    terms: terms.map((term) => term.asReported()),
    observers: observers.map(({ views }) => ({ views })),
  });
  const untold = observers.find((observer) => observer.untold !== undefined)?.untold;
  if (untold !== undefined) broken('ELECTION-3', untold);
  const beliefs = checkBeliefs(world, history, scene, placed);
  if (!counted) return;
  const reached = (situation: Situation, times: number) => world.reached(situation, times);
  reached('a checkpoint of an earlier term was found', counts.checkpointsFound);
  reached('an observer was told of a cut', counts.unknowns);
  reached('beliefs of leaders were held against each other', Math.max(0, beliefs - 1));
  reached('a win that its candidate never heard of', counts.wins - terms.length);
  countPlaces(scene, history, placed, reached);
  countLosses(terms, reached);
  for (const observer of observers) if (hasMissed(observer, scene)) reached('an observer missed a leader', 1);
  const lost = scene.traffic.lostJoins(history);
  reached('a join was applied whose sender had been told that nobody knows', lost.before);
  reached('a join was applied after its sender had been told that nobody knows', lost.after);
  const left = scene.processes.some(({ isCore }) => !isCore);
  reached('every candidate got on when only a core was healed', left ? 1 : 0);
}

/** ELECTION-6, of those whose clocks are what the library claims. Answers how many beliefs there were. */
function checkBeliefs(
  { simulation, plan }: World<ElectionWorkload>,
  history: History,
  { prefix, strokes }: Scene,
  placed: readonly PlacedTerm[],
): number {
  if (simulation.faultsInjected.has('renewal worth nothing')) return 0;
  const { length } = simulation.processes;
  const faults = [...activeWindows(plan), ...strokes];
  const accountable = placed.filter(
    ({ term: { process, belief }, takenAwayAtMs = Number.POSITIVE_INFINITY }) => {
      return belief.fromMs < takenAwayAtMs && !clocksMayHideTime(faults, process.index, length);
    },
  );
  for (const { term, tenure: life, takenAwayAtMs } of accountable) {
    const { endedAtMs = Number.POSITIVE_INFINITY } = term.belief;
    if (takenAwayAtMs !== undefined || endedAtMs <= (life?.toMs ?? Number.POSITIVE_INFINITY)) continue;
    const until = Number.isFinite(endedAtMs) ? `until ${milliseconds(endedAtMs)}` : 'and still does';
    broken(
      'ELECTION-6',
      `${term.process.name} believed in term ${term.term} ${until}, but its place went at ${milliseconds(life?.toMs ?? 0)}`,
    );
  }
  const { beliefs } = checkElection({
    ...{ history, prefix, beliefsMustNotOverlap: true, termsInOrderOfWin: true },
    terms: accountable.map(({ term, takenAwayAtMs }) => term.asReported(takenAwayAtMs)),
  });
  return beliefs;
}

type Reached = (situation: Situation, times: number) => void;

function countPlaces(scene: Scene, history: History, placed: readonly PlacedTerm[], reached: Reached): void {
  const { line, leader } = scene;
  const alone = placed.filter(({ term, life }) => Math.floor(term.term / 1_024) === life?.from).length;
  reached('won alone, with the place', alone);
  reached('won after another process', placed.length - alone);
  const led = new Set(placed.map(({ life }) => life));
  const others = history.lives(line).filter((life) => !led.has(life) && Number.isFinite(life.to));
  reached('a place was taken that never led', others.length);
  for (const { to } of history.livesOf(leader)) {
    const events = history.entryAt(to)?.events ?? [];
    const withOthers = events.some(({ type, kv }) => type === 'delete' && kv.key !== leader);
    if (events.length > 0 && !withOthers) reached('the leader key outlived the place, and was cleared up', 1);
  }
}

function countLosses(terms: readonly SeenTerm[], reached: Reached): void {
  for (const { belief, lostWith, process } of terms) {
    const { fromMs, endedAtMs = fromMs } = belief;
    if (lostWith === 'session-lost') reached('a term was lost with its session', 1);
    if (lostWith === 'hold-lost') reached('a term was lost by the deletion of its place', 1);
    if (!belief.wasLost) continue;
    const still = process.standstills.find(({ fromMs: beganMs, toMs = Number.POSITIVE_INFINITY }) => {
      return beganMs <= endedAtMs && endedAtMs < toMs;
    });
    const { toMs = Number.POSITIVE_INFINITY } = still ?? { toMs: 0 };
    const another = terms.some(
      (other) => other.process !== process && other.belief.fromMs > endedAtMs && other.belief.fromMs < toMs,
    );
    if (another) reached('another led before a paused leader went on', 1);
  }
}

/** Between the first and the last leader that it saw, there was one that it did not see. */
function hasMissed({ views }: SeenObserver, { terms }: Scene): boolean {
  const seen = views.flatMap((view) => (view.status === 'leader' ? [view.term] : []));
  const [first = 0, last = 0] = [seen[0], seen.at(-1)];
  return terms.some(({ term }) => first < term && term < last && !seen.includes(term));
}
