/** Schedules as others repeat, lose or shift their ticks, one decision each. */
import type { Mutant } from './mutant.js';

const ticker = 'src/queues/schedules/ticker.ts';
const schedules = 'src/queues/schedules/schedules.ts';
const due = 'src/queues/schedules/due.ts';
const killedBy = 'queue-schedules';

export const queueSchedulesMutants: readonly Mutant[] = [
  {
    name: 'tick-without-the-revision-of-its-schedule',
    file: ticker,
    find: "          compare.mod(key, 'equal', known.mod),\n",
    replace: '',
    story:
      'Any cron in a fleet that only one is to run: what was changed or removed meanwhile ticks all the same, as it was',
    killedBy,
    invariant: 'QUEUE-24',
  },
  {
    name: 'tick-beside-its-item',
    file: ticker,
    find: 'success: [put(key, encodeSchedule(record)), puts],',
    replace: 'success: [puts],',
    story: 'Item first, and the schedule moved on later: between the two the tick comes again',
    killedBy,
    invariant: 'QUEUE-24',
  },
  {
    name: 'late-ticks-all-made-up-for',
    file: ticker,
    find: 'dueTicks(known.ticks, known.record.missed, known.record.lastMs, nowMs);',
    replace: 'dueTicks(known.ticks, { atMost: 50 }, known.record.lastMs, nowMs);',
    story: 'A worker that was away for a night, and in the morning everything that was missed comes at once',
    killedBy,
    invariant: 'QUEUE-24',
  },
  {
    name: 'decided-up-to-now',
    file: due,
    find: '  return { ticks: [...(missed',
    replace:
      '  if (onTime.length > 1) return { ticks: onTime.slice(-1), lastMs: last };\n  return { ticks: [...(missed',
    story: 'Any scheduler that asks whether it is time: of two ticks between two looks one is lost',
    killedBy,
    invariant: 'QUEUE-24',
  },
  {
    name: 'schedule-set-without-comparing',
    file: schedules,
    find: "compare: [compare.mod(key, 'equal', mod)], success:",
    replace: 'compare: [], success:',
    story: 'Read, change, write: a tick that came between is forgotten, and comes again',
    killedBy,
    invariant: 'QUEUE-24',
  },
  {
    name: 'schedule-set-begins-anew',
    file: schedules,
    find: 'Math.max(nowMs, before.lastMs)',
    replace: 'nowMs',
    story: 'A clock that is behind sets a schedule back, and what had ticked ticks again',
    killedBy,
    invariant: 'QUEUE-24',
  },
  {
    name: 'schedules-read-once',
    file: ticker,
    find: "      if (item.type === 'opened') this.#isStale = true;\n",
    replace: '',
    story: 'Watch from now, and what stood before is unknown (Redisson #1763: missed wake-ups)',
    killedBy,
  },
];
