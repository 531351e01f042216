import { electOf } from '../../src/barriers/cyclic/elect.js';
import { CyclicMembers } from '../../src/checkers/cyclic-members.js';
import { checkCyclicBarrier, History, type Life } from '../../src/checkers/index.js';
import { type KeyValue, textOf } from '../../src/store/index.js';
import type { World } from '../support/world.js';
import type { Scene } from './scene.js';
import type { Situation } from './situations.js';
import type { CyclicWorkload } from './workload.js';

interface Record {
  readonly generation: number;
  readonly required: number;
  readonly parties: number;
  readonly deadMembers: string;
  readonly since?: number;
  readonly lost: number;
  readonly last: string;
  readonly broken?: { readonly reason: string };
}

const recordOf = (kv: KeyValue) => JSON.parse(textOf(kv.value)) as Record;

/** What is wrong if nothing more comes: somebody has not arrived or was not told, or something is due and nobody does it. */
export function pendingIn(world: World<CyclicWorkload>, scene: Scene): string | undefined {
  const { engine, history } = world.simulation;
  const { prefix, callingInCore } = scene;
  if (scene.quietMs < 3_000) return 'somebody has just called, or was told something';
  if (callingInCore.size === 0) return undefined;
  const [kv] = engine.range({ key: `${prefix}generation` }).kvs;
  if (kv === undefined) return 'nobody has arrived';
  const now = recordOf(kv);
  const since = now.since ?? kv.modRevision;
  const members = engine.range({ key: `${prefix}m/`, rangeEnd: `${prefix}m0` }).kvs;
  const arrived = members.filter(({ modRevision }) => modRevision > since);
  for (const [label, calls] of callingInCore) {
    const own = arrived.filter(({ value }) => textOf(value).includes(`"label":"${label}"`)).length;
    if (now.broken !== undefined || own < calls) {
      return `${label} has ${calls} calls, and ${own} arrivals in generation ${now.generation}`;
    }
  }
  if (arrived.length >= now.required) return `generation ${now.generation} is full, and has not passed`;
  if (engine.range({ key: `${prefix}elect` }).count > 0) return 'somebody runs the action';
  if (now.deadMembers === 'wait' || members.length >= now.required) return undefined;
  const died = new CyclicMembers(new History(history), prefix).statesSince(
    engine.revision,
    engine.revision + 1,
  );
  const dead = (died.at(-1)?.died ?? 0) - now.lost;
  return dead > 0 ? `${dead} members have died, and nobody was told` : undefined;
}

/** Holds everything that was seen against the history, and counts what there was. */
export function judge(
  world: World<CyclicWorkload>,
  scene: Scene,
  { drained }: { readonly drained: boolean },
): void {
  const history = new History(world.simulation.history);
  const { prefix, waits, actions, resets } = scene;
  const counts = checkCyclicBarrier({
    ...{ history, prefix, waits, resets, drained },
    ...(world.workload.action === 'none' ? {} : { actions }),
  });
  const reached = (situation: Situation, times: number) => scene.reached(situation, drained ? times : 0);
  reached('a generation passed', counts.passed);
  reached('who came late was counted in the next generation', counts.carriedOver);
  reached('a generation went on without the dead', counts.shrunk);
  reached('somebody took the place of the dead', counts.grown);
  const left = scene.seats.processes.some(({ isCore }) => !isCore);
  reached('everybody got on when only a core was healed', left ? 1 : 0);
  countSteps(history, scene, reached);
}

function countSteps(
  history: History,
  { prefix, waits }: Scene,
  reached: (situation: Situation, times: number) => void,
): void {
  const members = new CyclicMembers(history, prefix);
  const elects = history.livesOf(`${prefix}elect`);
  let before: Record | undefined;
  for (const { type, kv } of history.eventsOf(`${prefix}generation`)) {
    if (type === 'delete') continue;
    const now = recordOf(kv);
    if (now.broken !== undefined) {
      const { reason } = now.broken;
      if (reason === 'member-lost') reached('a generation was broken by a death', 1);
      if (reason === 'gave-up') reached('a generation was broken by one who gave up', 1);
      if (reason === 'action-failed') reached('a generation was broken by its action', 1);
    } else if (before !== undefined && now.generation > before.generation && now.last === 'broken') {
      const isDeserted = members.countAt(kv.modRevision - 1) === 0;
      if (isDeserted) reached('a barrier at which nobody was left began anew', 1);
    }
    before = now;
  }
  const reset = waits.filter(({ reason }) => reason === 'reset').length;
  reached('a barrier was reset while somebody waited', reset);
  const lost = elects.filter(({ to }) =>
    history.entryAt(to)?.events.some(({ type, kv }) => type === 'delete' && kv.key.startsWith(`${prefix}m/`)),
  );
  reached('a claim was lost with its session', lost.length);
  const again = elects.filter((life, index) => isOfSame(history, prefix, life, elects[index + 1])).length;
  reached('an elect died in its action, and another one ran it again', again);
  const idle = members.arrivals.filter(({ key, arrivedAt }) => {
    const life = history.lifeAt(key, arrivedAt);
    if (life === undefined || !Number.isFinite(life.to) || members.leftAt(life.to) !== undefined)
      return false;
    const generation = history.valueAt(`${prefix}generation`, life.to - 1);
    const last = history.valueAt(key, life.to - 1);
    if (generation === undefined || last?.modRevision !== arrivedAt) return false;
    return arrivedAt <= (recordOf(generation).since ?? generation.modRevision);
  });
  reached('a member died that had not arrived', idle.length);
  const byOthers = elects.filter((life) => {
    const kv = history.valueAt(`${prefix}elect`, life.from);
    const said = kv && electOf(kv);
    const last = members.arrivals.find(({ arrivedAt }) => arrivedAt === said?.upTo);
    return said !== undefined && last !== undefined && last.label !== said.label;
  });
  reached('somebody else ran the action than for the last arrival', byOthers.length);
  const came = waits.filter(({ label, outcome, calledAtMs, toldAtMs }) => {
    if (outcome === 'passed') return false;
    return !members.arrivals.some(({ label: of, arrivedAt }) => {
      const atMs = history.timeOf(arrivedAt) ?? 0;
      return of === label && atMs >= calledAtMs && atMs <= toldAtMs;
    });
  });
  reached('somebody came to a broken barrier', came.length);
}

/** Two claims of one generation, the first of which nobody ended by passing it. */
function isOfSame(history: History, prefix: string, one: Life, next: Life | undefined): boolean {
  if (next === undefined) return false;
  const at = (life: Life) => history.valueAt(`${prefix}generation`, life.from);
  const [first, second] = [at(one), at(next)];
  return first !== undefined && second !== undefined && first.createRevision === second.createRevision
    ? recordOf(first).generation === recordOf(second).generation
    : false;
}
