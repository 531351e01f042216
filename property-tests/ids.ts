/**
 * Ids: processes that take them one by one and in numbers, lose their patience, crash and pause, while replies are lost and
 * history is compacted. No id is ever given twice, those of one object ascend, and none is given that was not reserved.
 */
import { IdAllocator } from '../src/atomics/index.js';
import { checkIds, type GivenIds, History } from '../src/checkers/index.js';
import { isQuorateError } from '../src/errors.js';
import { type Key, Keyspace } from '../src/store/index.js';
import { type CallerPlan, type IdsWorkload, idsWorkload, withinMs } from './ids/workload.js';
import { compactAtMoments } from './support/compaction.js';
import { namespace } from './support/open-client.js';
import type { Property } from './support/property.js';
import { type Seat, Seats } from './support/seats.js';
import { settle } from './support/settle.js';
import { bring } from './support/weather.js';
import type { World } from './support/world.js';

const safetyMs = 9_000;
/** Nothing is waited for but replies: connections that are given up, and lanes that are opened anew. */
const livenessMs = 8_000 + 20_000 + 9_000 + 16 * 2_000;
/** Requests may arrive so late. */
const afterlifeMs = 9_000;
const name = 'i';

const situations = [
  'an id was given at once',
  'an id was waited for',
  'ids came out of several blocks',
  'a wait was given up',
  'others reserved blocks in between',
  'a process crashed, and left a gap',
  'every caller got on when only a core was healed',
] as const;

type Situation = (typeof situations)[number];

interface IdsSeat extends Seat {
  readonly ids: IdAllocator;
  readonly allocator: string;
  calls: number;
}

class Scene {
  readonly key: Key = `${new Keyspace(namespace).prefix('ids', name)}next`;
  readonly given: GivenIds[] = [];
  readonly seats: Seats<CallerPlan, IdsSeat>;
  readonly #world: World<IdsWorkload>;

  constructor(world: World<IdsWorkload>) {
    this.#world = world;
    const { ttlMs, first, atLeast, atMost } = world.workload;
    this.seats = new Seats({
      ...{ world: world, ttlMs },
      furnish: (seat) => ({
        ...seat,
        ids: new IdAllocator(seat.client, name, { first, blockSize: { atLeast, atMost } }),
        allocator: `${seat.process.name}.${seat.incarnation}`,
        calls: 0,
      }),
      round: (seat, plan) => this.#round(seat, plan),
      bury: (process) => {
        if (process.incarnation > 0) this.reached('a process crashed, and left a gap');
      },
    });
  }

  reached(situation: Situation): void {
    this.#world.reached(situation);
  }

  async #round(seat: IdsSeat, plan: CallerPlan): Promise<void> {
    const { options, end } = this.seats.waitOf(seat, plan);
    const { way, count } = plan;
    if (way === 'try-next') this.#tryNext(seat);
    else {
      const calls =
        way === 'take'
          ? [this.#call(seat, () => seat.ids.take(count, options))]
          : Array.from({ length: count }, () => this.#call(seat, async () => [await seat.ids.next(options)]));
      this.seats.strike(plan, seat.process);
      await Promise.all(calls);
    }
    end();
  }

  #tryNext(seat: IdsSeat): void {
    seat.calls += 1;
    const id = seat.ids.tryNext();
    if (id !== undefined) this.#note(seat, seat.calls, [id]);
  }

  async #call(seat: IdsSeat, ask: () => Promise<readonly number[]>): Promise<void> {
    seat.calls += 1;
    const call = seat.calls;
    const askedMs = this.#world.simulation.nowMs;
    try {
      const ids = await ask();
      this.#note(seat, call, ids);
      const waited = this.#world.simulation.nowMs > askedMs;
      this.reached(waited ? 'an id was waited for' : 'an id was given at once');
      const [first = 0] = ids;
      if (ids.some((id, index) => id !== first + index)) this.reached('others reserved blocks in between');
      if (ids.length > this.#world.workload.atMost) this.reached('ids came out of several blocks');
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
      if (isQuorateError(error, 'timeout') || isQuorateError(error, 'aborted')) {
        this.reached('a wait was given up');
      }
    }
  }

  #note({ process, allocator }: IdsSeat, call: number, ids: readonly number[]): void {
    const atMs = this.#world.simulation.nowMs;
    this.given.push({ process: process.name, allocator, call, ids, atMs });
  }
}

async function run(world: World<IdsWorkload>): Promise<void> {
  const { workload, simulation } = world;
  const scene = new Scene(world);
  for (const callers of workload.processes) scene.seats.start(callers);
  bring(world, workload.weather, workload.processes.length, safetyMs);
  compactAtMoments(world, workload.compactEveryMs, safetyMs);
  await scene.seats.safetyPhase(safetyMs);
  const wasPending = scene.seats.pending !== undefined;
  const judged = () => {
    const history = new History(simulation.history);
    checkIds({ history, key: scene.key, first: workload.first, given: scene.given });
  };
  await settle(world, {
    pending: () => scene.seats.left('waits for ids'),
    withinMs: livenessMs,
    afterlifeMs,
    judge: judged,
  });
  judged();
  const left = wasPending && scene.seats.processes.some(({ isCore }) => !isCore);
  if (left) scene.reached('every caller got on when only a core was healed');
}

export const idsProperty: Property<IdsWorkload> = {
  module: 'ids',
  invariants: ['IDS-1', 'IDS-2', 'IDS-3'],
  workload: idsWorkload,
  faults: { maxWindows: 12, withinMs },
  sometimes: situations,
  runs: 500,
  run,
};
