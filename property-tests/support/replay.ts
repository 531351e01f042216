import { readPlan } from './corpus.js';
import type { RunnerOptions } from './options.js';
import { ProcessGuard } from './process-guard.js';
import type { PropertyList } from './property.js';
import { propertyNamed } from './property-list.js';
import { runPlanTwice } from './run-plan.js';
import type { Verdict } from './runner.js';

/** Runs a stored plan again, and shows what happened line by line. */
export async function replay(file: string, list: PropertyList, options: RunnerOptions): Promise<Verdict> {
  const stored = readPlan(file);
  const property = propertyNamed(list, stored.module);
  const { stuckAfterMs } = options;
  const guard = new ProcessGuard();
  const { failure, counts, timeline } = await runPlanTwice(property, stored.plan, { guard, stuckAfterMs });
  guard.stop();
  for (const line of timeline.lines) console.log(line);
  console.log(`\n${property.module}, ${(counts.virtualMs / 1_000).toFixed(1)} s of virtual time`);
  console.log(`It was stored for: ${stored.found}`);
  if (stored.timelineHash !== undefined && stored.timelineHash !== '') {
    const same = stored.timelineHash === timeline.hash;
    console.log(
      `Timeline ${timeline.hash}: ${same ? 'as it was then' : 'not as it was then, so the sources have changed'}`,
    );
  }
  if (failure === undefined) {
    console.log('It passes now.');
    return { passed: 1, failed: 0 };
  }
  console.log(`FAILED ${property.module}: ${failure.message}`);
  if (failure.stack !== undefined) console.log(failure.stack);
  return { passed: 0, failed: 1 };
}
