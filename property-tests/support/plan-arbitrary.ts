import fc from 'fast-check';
import type { FaultWindow } from '../../src/simulator/index.js';
import { type Knobs, type Plan, tidied } from './plan.js';

export interface PlanParts<W> {
  readonly workload: fc.Arbitrary<W>;
  readonly knobs: fc.Arbitrary<Knobs>;
  readonly faults: fc.Arbitrary<FaultWindow[]>;
  /** One of the faults. */
  readonly window: fc.Arbitrary<FaultWindow>;
}

/** What is known of how a plan came to be: which ways of shrinking it have been tried already. */
interface Trail {
  readonly workload?: unknown;
  readonly knobs?: unknown;
  readonly windows: readonly unknown[];
  /** No kinds are off. */
  readonly isTidy: boolean;
  /** Removing windows goes on with so many at once, from there. */
  readonly removing: { readonly size: number; readonly from: number };
}

/**
 * Plans. fast-check would shrink the parts of a record one by one, each to its end, and spend most of its tries on
 * milliseconds of windows that do not matter. So windows are removed first, by halves, then one by one; then come the
 * workload and the setting, and at last what is left of the windows.
 */
export class PlanArbitrary<W> extends fc.Arbitrary<Plan<W>> {
  readonly #parts: PlanParts<W>;

  constructor(parts: PlanParts<W>) {
    super();
    this.#parts = parts;
  }

  override generate(random: fc.Random, bias: number | undefined): fc.Value<Plan<W>> {
    const { workload, knobs, faults } = this.#parts;
    const seed = random.nextInt(0, 2 ** 31 - 1);
    const [setting, windows, work] = [
      knobs.generate(random, bias),
      faults.generate(random, bias),
      workload.generate(random, bias),
    ];
    const plan = { seed, knobs: setting.value, faults: windows.value, workload: work.value };
    return new fc.Value(plan, {
      ...this.#trailOf(plan),
      ...{ workload: work.context, knobs: setting.context },
    });
  }

  override canShrinkWithoutContext(value: unknown): value is Plan<W> {
    const plan = value as Plan<W>;
    return (
      this.#parts.knobs.canShrinkWithoutContext(plan.knobs) &&
      plan.faults.every((window) => this.#parts.window.canShrinkWithoutContext(window))
    );
  }

  override shrink(plan: Plan<W>, context: unknown): fc.Stream<fc.Value<Plan<W>>> {
    const trail = (context as Trail | undefined) ?? this.#trailOf(plan);
    return fc.stream(this.#plainer(plan, trail));
  }

  *#plainer(plan: Plan<W>, trail: Trail): IterableIterator<fc.Value<Plan<W>>> {
    if (!trail.isTidy) {
      // How the setting was drawn tells nothing of one that was changed.
      const tidy = tidied(plan);
      yield new fc.Value(tidy, { ...trail, ...this.#trailOf(tidy), knobs: undefined });
    }
    yield* this.#fewerWindows(plan, trail);
    // With a smaller workload, more windows may be dispensable.
    const again = { ...trail, removing: { size: 1, from: 0 } };
    yield* this.#smallerWorkload(plan, again);
    for (const knobs of this.#parts.knobs.shrink(plan.knobs, trail.knobs)) {
      yield new fc.Value({ ...plan, knobs: knobs.value }, { ...again, knobs: knobs.context });
    }
    yield* this.#milderWindows(plan, again);
  }

  *#fewerWindows(plan: Plan<W>, trail: Trail): IterableIterator<fc.Value<Plan<W>>> {
    let { size, from } = trail.removing;
    for (; size >= 1; size = Math.floor(size / 2), from = 0) {
      for (; from < plan.faults.length; from += size) {
        const without = <T>(list: readonly T[]) => [...list.slice(0, from), ...list.slice(from + size)];
        yield new fc.Value(
          { ...plan, faults: without(plan.faults) },
          { ...trail, windows: without(trail.windows), removing: { size, from } },
        );
      }
    }
  }

  *#smallerWorkload(plan: Plan<W>, trail: Trail): IterableIterator<fc.Value<Plan<W>>> {
    const { workload } = this.#parts;
    if (trail.workload === undefined && !workload.canShrinkWithoutContext(plan.workload)) return;
    for (const work of workload.shrink(plan.workload, trail.workload)) {
      yield new fc.Value({ ...plan, workload: work.value }, { ...trail, workload: work.context });
    }
  }

  *#milderWindows(plan: Plan<W>, trail: Trail): IterableIterator<fc.Value<Plan<W>>> {
    for (const [index, window] of plan.faults.entries()) {
      for (const milder of this.#parts.window.shrink(window, trail.windows[index])) {
        yield new fc.Value(
          { ...plan, faults: plan.faults.with(index, milder.value) },
          { ...trail, windows: trail.windows.with(index, milder.context) },
        );
      }
    }
  }

  #trailOf(plan: Plan<W>): Trail {
    const { knobs, faults } = plan;
    return {
      windows: faults.map(() => undefined),
      isTidy: knobs.off.length === 0,
      removing: { size: faults.length, from: 0 },
    };
  }
}
