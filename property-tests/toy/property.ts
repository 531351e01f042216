import { AssertionError } from 'node:assert';
import fc from 'fast-check';
import { sleep } from '../../src/runtime/index.js';
import { type HistoryEntry, textOf } from '../../src/store/index.js';
import type { Plan } from '../support/plan.js';
import type { Canary, Property } from '../support/property.js';
import type { World } from '../support/world.js';
import { lockKey, releasedKey, ToyLock, type ToyLockOptions } from './lock.js';

interface Workload {
  readonly processes: number;
  readonly rounds: number;
  readonly holdMs: number;
}

const workload: fc.Arbitrary<Workload> = fc.record(
  {
    processes: fc.integer({ min: 1, max: 4 }),
    rounds: fc.integer({ min: 1, max: 4 }),
    holdMs: fc.integer({ min: 0, max: 2_000 }),
  },
  { noNullPrototype: true },
);

const longestSafetyMs = 60_000;
const longestLivenessMs = 120_000;

async function run(world: World<Workload>, options: ToyLockOptions): Promise<void> {
  const { processes, rounds, holdMs } = world.workload;
  for (let index = 0; index < processes; index += 1) {
    world.start(`process ${index}`, async (context) => {
      const lock = new ToyLock(context, options);
      for (let round = 0; round < rounds; round += 1) {
        const token = await lock.acquire();
        context.note(`holds with token ${token}`);
        await sleep(context.runtime, holdMs);
        const wasOwn = await lock.release(token);
        context.note(`${wasOwn ? 'has released' : 'had lost'} the hold with token ${token}`);
        world.reached(wasOwn ? 'released' : 'lost while held');
      }
    });
  }
  const unfinished = () =>
    world.simulation.processes.find(({ isCore, status }) => isCore && status !== 'finished');
  await world.safetyPhase(() => unfinished() === undefined, longestSafetyMs);
  world.heal();
  await world.livenessPhase(() => unfinished()?.name, longestLivenessMs);
  checkReleases(world.simulation.history);
}

/** TOY-1: who ends a hold by a release is its holder. */
function checkReleases(history: readonly HistoryEntry[]): void {
  let holder: number | undefined;
  for (const { revision, events } of history) {
    const of = (key: string) => events.find(({ kv }) => kv.key === key);
    const lock = of(lockKey);
    const released = of(releasedKey);
    if (lock?.type === 'put') holder = revision;
    if (lock?.type !== 'delete') continue;
    const by = released && Number(textOf(released.kv.value));
    if (by !== undefined && by !== holder) {
      throw new AssertionError({
        message: `TOY-1 only its holder releases a hold: at revision ${revision} the hold with token ${holder} was released with token ${by}`,
      });
    }
  }
}

const common = {
  invariants: ['TOY-1'],
  workload,
  faults: { withinMs: 15_000 },
  sometimes: ['released', 'lost while held'],
} as const;

export const toy: Property<Workload> = {
  ...common,
  module: 'toy',
  runs: 200,
  run: (world) => run(world, { guarded: true }),
};

export const canary: Canary = {
  property: {
    ...common,
    module: 'canary',
    runs: 1_000,
    run: (world: World<Workload>) => run(world, { guarded: false }),
  } as Property<Workload>,
  largeness: (plan) => {
    const { faults, workload } = plan as Plan<Workload>;
    if (faults.length > 1) return `it has ${faults.length} windows of faults`;
    return workload.processes > 3 ? 'it needs no more than three processes' : undefined;
  },
};
