/**
 * A counter: processes that add to it, set it and compare it, several calls at a time, lose their patience, crash and pause, while
 * replies are lost and history is compacted. An order is searched in which every call, and the count at the end, is answered as
 * it was: an addition that counted twice, or was lost, has none.
 */
import { Counter } from '../src/atomics/index.js';
import {
  type CountCall,
  type CounterCall,
  type CounterReply,
  checkCounter,
  History,
} from '../src/checkers/index.js';
import { isQuorateError } from '../src/errors.js';
import { type Key, Keyspace, prefixRange } from '../src/store/index.js';
import { type CallerPlan, type CounterWorkload, counterWorkload, withinMs } from './counter/workload.js';
import { compactAtMoments } from './support/compaction.js';
import { namespace } from './support/open-client.js';
import type { Property } from './support/property.js';
import { paced, type Seat, Seats } from './support/seats.js';
import { settle } from './support/settle.js';
import { bring } from './support/weather.js';
import type { World } from './support/world.js';

const safetyMs = 9_000;
/** Nothing is waited for but replies: connections that are given up, and lanes that are opened anew. */
const livenessMs = 8_000 + 20_000 + 9_000 + 16 * 2_000;
/** Requests may arrive so late. */
const afterlifeMs = 9_000;
const name = 'c';

const situations = [
  'calls were answered in one write',
  'a call was refused at a bound',
  'nobody knew what became of a call',
  'a call was given up before it was sent',
  'a comparison succeeded',
  'a comparison failed',
  'a process crashed while it counted',
  'an order of the calls was found',
  'a process stood in line to count',
  'every caller got on when only a core was healed',
] as const;

type Situation = (typeof situations)[number];

/** A call as it is noted while it goes on. */
type Noted = { -readonly [Name in keyof CountCall]: CountCall[Name] } & {
  isOver: boolean;
  /** It may have had an effect, or has answered. */
  had: boolean;
};

interface CounterSeat extends Seat {
  readonly counter: Counter;
}

class Scene {
  readonly key: Key = `${new Keyspace(namespace).prefix('counter', name)}n`;
  readonly calls: Noted[] = [];
  readonly seats: Seats<CallerPlan, CounterSeat>;
  readonly #world: World<CounterWorkload>;
  /** What anybody was answered last. */
  #lastCount = 0;

  constructor(world: World<CounterWorkload>) {
    this.#world = world;
    const { ttlMs, initial, min, max } = world.workload;
    this.seats = new Seats({
      ...{ world: world, ttlMs },
      furnish: (seat) => ({ ...seat, counter: new Counter(seat.client, name, { initial, min, max }) }),
      round: (seat, plan) => this.#round(seat, plan),
      bury: ({ name: process }) => {
        const open = this.calls.find((call) => call.process === process && !call.isOver && call.had);
        if (open !== undefined) this.reached('a process crashed while it counted');
        for (const call of this.calls) if (call.process === process) call.isOver = true;
      },
    });
  }

  reached(situation: Situation): void {
    this.#world.reached(situation);
  }

  readonly #nowMs = (): number => this.#world.simulation.nowMs;

  async #round(seat: CounterSeat, plan: CallerPlan): Promise<void> {
    const { options, end } = this.seats.waitOf(seat, plan);
    const calls = Array.from({ length: plan.atOnce }, () => this.#call(seat, plan, options));
    this.seats.strike(plan, seat.process);
    const answeredMs = await Promise.all(calls);
    if (answeredMs.length > 1 && answeredMs[0] !== undefined && answeredMs[0] === answeredMs.at(-1)) {
      this.reached('calls were answered in one write');
    }
    end();
  }

  /** When it was answered; undefined if it failed. */
  async #call(
    { counter, process }: CounterSeat,
    { what, amount }: CallerPlan,
    options: { signal?: AbortSignal; timeoutMs?: number },
  ): Promise<number | undefined> {
    const asked = callOf(what, amount, this.#lastCount);
    const call: Noted = {
      process: process.name,
      call: asked,
      calledAt: this.#nowMs(),
      isOver: false,
      had: true,
    };
    this.calls.push(call);
    try {
      call.reply = await answerOf(counter, asked, options);
      this.#lastCount = call.reply.count ?? this.#lastCount;
      if (call.reply.wrote === true) this.reached('a comparison succeeded');
      if (call.reply.wrote === false) this.reached('a comparison failed');
      call.returnedAt = this.#nowMs();
      return call.returnedAt;
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
      if (isQuorateError(error, 'over-limit')) {
        call.reply = { isOver: true };
        call.returnedAt = this.#nowMs();
        this.reached('a call was refused at a bound');
      } else if (error.outcome === 'unknown' && asked.do !== 'get') {
        this.reached('nobody knew what became of a call');
      } else {
        call.had = false;
        if (isQuorateError(error, 'timeout') || isQuorateError(error, 'aborted')) {
          this.reached('a call was given up before it was sent');
        }
      }
      return undefined;
    } finally {
      call.isOver = true;
    }
  }
}

function callOf(what: CallerPlan['what'], amount: number, lastCount: number): CounterCall {
  switch (what) {
    case 'get':
      return { do: 'get' };
    case 'add':
      return { do: 'add', by: amount };
    case 'reset':
      return { do: 'reset', to: amount };
    case 'compare-and-set':
      return { do: 'compare-and-set', expected: lastCount, to: amount };
  }
}

async function answerOf(
  counter: Counter,
  call: CounterCall,
  options: { signal?: AbortSignal; timeoutMs?: number },
): Promise<CounterReply> {
  switch (call.do) {
    case 'get':
      return { count: await counter.get(options) };
    case 'add':
      return { count: await counter.add(call.by, options) };
    case 'reset':
      return { count: await counter.reset(call.to, options) };
    case 'compare-and-set': {
      const { succeeded, count } = await counter.compareAndSet(call.expected, call.to, options);
      return { count, wrote: succeeded };
    }
  }
}

async function run(world: World<CounterWorkload>): Promise<void> {
  const { workload } = world;
  const scene = new Scene(world);
  for (const callers of workload.processes) {
    scene.seats.start(callers.map((plan) => paced(plan, workload.inHurry)));
  }
  bring(world, workload.weather, workload.processes.length, safetyMs);
  compactAtMoments(world, workload.compactEveryMs, safetyMs);
  await scene.seats.safetyPhase(safetyMs);
  const { pending } = scene.seats;
  await settle(world, {
    pending: () => scene.seats.left('has calls that are not answered'),
    withinMs: livenessMs,
    afterlifeMs,
    judge: () => judge(world, scene),
  });
  judge(world, scene);
  const left = pending !== undefined && scene.seats.processes.some(({ isCore }) => !isCore);
  if (left) scene.reached('every caller got on when only a core was healed');
}

function judge(world: World<CounterWorkload>, scene: Scene): void {
  const history = new History(world.simulation.history);
  const { initial, min, max } = world.workload;
  // A call that certainly had no effect, and a look that was never answered, say nothing.
  const calls = scene.calls.filter(
    ({ had, reply, call }) => had && (reply !== undefined || call.do !== 'get'),
  );
  const { isUnsearched } = checkCounter({ history, key: scene.key, initial, min, max, calls });
  if (!isUnsearched) scene.reached('an order of the calls was found');
  const line = prefixRange(new Keyspace(namespace).typePrefix('stm'));
  if (history.keysIn(line).length > 0) scene.reached('a process stood in line to count');
}

export const counterProperty: Property<CounterWorkload> = {
  module: 'counter',
  invariants: ['COUNTER-1', 'COUNTER-2'],
  workload: counterWorkload,
  faults: { maxWindows: 12, withinMs },
  sometimes: situations,
  runs: 700,
  run,
};
