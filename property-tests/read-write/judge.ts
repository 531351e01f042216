import { milliseconds } from '../../src/checkers/evidence.js';
import { checkReadWrite, History, type Life } from '../../src/checkers/index.js';
import { broken } from '../../src/checkers/sentences.js';
import { clocksMayHideTime } from '../support/open-client.js';
import { activeWindows } from '../support/plan.js';
import type { World } from '../support/world.js';
import type { Scene } from './scene.js';
import type { SeenHold } from './seen-hold.js';
import type { Situation } from './situations.js';
import { checkSlices } from './slices.js';
import type { ReadWriteWorkload } from './workload.js';

type Reached = (situation: Situation, times: number) => void;

/** A grant, and its keys. */
interface PlacedGrant {
  readonly grant: SeenHold;
  readonly lives: readonly Life[];
  /** When the first of them went. */
  readonly goneAtMs: number;
  /** When somebody took one of them away, if anybody did. */
  readonly takenAwayAtMs: number | undefined;
}

/** Holds everything that was seen against the history, and counts what there was. */
export function judge(
  world: World<ReadWriteWorkload>,
  scene: Scene,
  { drained }: { readonly drained: boolean },
): void {
  const history = new History(world.simulation.history);
  const { line, resource, grants, upgrades } = scene;
  for (const { belief, process, incarnation } of grants) {
    if (process.status === 'crashed' || process.incarnation !== incarnation) belief.end();
  }
  const counts = checkReadWrite({
    ...{ history, line, resource, upgrades, drained },
    grants: grants.map((grant) => grant.asGrant()),
  });
  const slices = checkSlices(history, grants, world.workload);
  const placed = grants.map((grant) => place(scene, history, grant));
  const beliefs = checkBeliefs(world, history, scene, placed);
  if (!drained) return;
  const reached: Reached = (situation, times) => world.reached(situation, times);
  reached('readers of several places held together', counts.together);
  reached('readers of one place held together', slices.shared);
  reached('a writer waited for readers', counts.waitedForReaders);
  reached('a reader waited behind a writer', counts.waitedForWriters);
  reached('a shared place took no more readers, by their number', slices.endedByGrants);
  reached('a shared place took no more readers, by its time', slices.endedByTime);
  reached('beliefs of processes were held against each other', Math.max(0, beliefs - 1));
  countTurns(history, placed, reached);
  countLosses(scene, placed, reached);
  const renewed = history.lives(`${line}r/`).filter(({ puts }) => puts > 1);
  reached('a write of which nobody knew was killed by an upgrade', renewed.length);
  const lost = scene.traffic.lostJoins(history);
  reached('a join was applied whose sender had been told that nobody knows', lost.before + lost.after);
  const left = scene.seats.processes.some(({ isCore }) => !isCore);
  reached('every contender got on when only a core was healed', left ? 1 : 0);
}

function place({ administrator }: Scene, history: History, grant: SeenHold): PlacedGrant {
  const lives = grant.livesIn(history);
  const taken = lives.filter((life) => administrator.tookAway(life));
  const goneAtMs = Math.min(...lives.map(({ toMs = Number.POSITIVE_INFINITY }) => toMs));
  const takenAwayAtMs = Math.min(...taken.map(({ toMs = Number.POSITIVE_INFINITY }) => toMs));
  return { grant, lives, goneAtMs, takenAwayAtMs: taken.length > 0 ? takenAwayAtMs : undefined };
}

/** LOCK-9, of those whose clocks are what the library claims. Answers how many beliefs there were. */
function checkBeliefs(
  world: World<ReadWriteWorkload>,
  history: History,
  { line, seats }: Scene,
  placed: readonly PlacedGrant[],
): number {
  const { simulation, plan } = world;
  if (simulation.faultsInjected.has('renewal worth nothing')) return 0;
  const faults = [...activeWindows(plan), ...seats.strokes];
  const accountable = placed.filter(
    ({ grant: { process, belief }, takenAwayAtMs = Number.POSITIVE_INFINITY }) =>
      belief.fromMs < takenAwayAtMs && !clocksMayHideTime(faults, process.index, simulation.processes.length),
  );
  for (const { grant, goneAtMs, takenAwayAtMs } of accountable) {
    const { endedAtMs = Number.POSITIVE_INFINITY } = grant.belief;
    if (takenAwayAtMs !== undefined || endedAtMs <= goneAtMs) continue;
    const until = Number.isFinite(endedAtMs) ? `until ${milliseconds(endedAtMs)}` : 'and still does';
    broken(
      'LOCK-9',
      `${grant.process.name} believed in ${grant.mark} ${until}, but a key of it went at ${milliseconds(goneAtMs)}`,
    );
  }
  const { beliefs } = checkReadWrite({
    ...{ history, line, beliefsMustNotOverlap: true },
    grants: accountable.map(({ grant, takenAwayAtMs }) => {
      // What it was made of may not be accountable.
      const { turnedFrom: _other, ...own } = grant.asGrant(takenAwayAtMs);
      return own;
    }),
  });
  return beliefs;
}

function countTurns(history: History, placed: readonly PlacedGrant[], reached: Reached): void {
  for (const { grant, lives } of placed) {
    const { turnedFrom, writeKey, token, readKey } = grant;
    if (turnedFrom === undefined) continue;
    if (writeKey !== undefined) {
      const isAtOnce = lives.some(({ from }) => from === Math.floor(token / 1_024));
      reached(isAtOnce ? 'an upgrade succeeded at once' : 'an upgrade waited for readers of other places', 1);
      continue;
    }
    const written = turnedFrom.livesIn(history)[1];
    const entered = placed.some(
      ({ grant: other }) => other.readKey !== readKey && Math.floor(other.token / 1_024) === written?.to,
    );
    if (entered) reached('a downgrade let readers in', 1);
  }
}

function countLosses(scene: Scene, placed: readonly PlacedGrant[], reached: Reached): void {
  for (const { grant, lives } of placed) {
    if (grant.lostWith === 'session-lost') reached('a hold was lost with its session', 1);
    const taken = lives.filter((life) => scene.administrator.tookAway(life));
    if (grant.lostWith === 'hold-lost' && lives.length === 2 && taken.length === 1) {
      reached('a hold was lost by the deletion of one of two keys', 1);
    }
  }
}
