/** Ways in which an urgent item waits behind others, and what levels that share a queue do to each other; one decision each. */
import type { Mutant } from './mutant.js';

const levels = 'src/queues/dispatch/levels/levels.ts';
const killedBy = 'queue-priority';

export const queuePriorityMutants: readonly Mutant[] = [
  {
    name: 'less-urgent-beside-the-unread',
    file: levels,
    find: 'return create <= seen && (behind === undefined || name <= behind.name);',
    replace: 'return create <= seen;',
    story:
      'Tempting: the most urgent item in memory is the next. What is more urgent may be in the store still',
    killedBy,
    invariant: 'QUEUE-20, not live',
  },
  {
    name: 'read-before-the-watch-told',
    file: levels,
    find: 'return create <= seen && (behind === undefined || name <= behind.name);',
    replace: 'return behind === undefined || name <= behind.name;',
    story:
      'Tempting: what was read may go at once. The watch lags behind the reading, and what is more urgent and older is not known yet',
    killedBy,
    invariant: 'QUEUE-20, not live',
  },
  {
    name: 'first-use-of-a-level-unheard',
    file: 'src/queues/dispatch/reads.ts',
    find: 'if (isPut && kv.version === 1 && inRange(keys.levelGates, kv.key)) {',
    replace: 'if (isPut && kv.version === 0 && inRange(keys.levelGates, kv.key)) {',
    story: 'Brokers whose priorities are fixed when a queue is declared: one that is used later is nobody’s',
    killedBy,
    invariant: 'QUEUE-20, QUEUE-21, not live',
  },
  {
    name: 'one-gate-for-all-levels',
    file: 'src/queues/producer/group-request.ts',
    find: '...[...smallest].map(([level, id]) => compare',
    replace: '...[...smallest].slice(0, 1).map(([level, id]) => compare',
    story:
      'Tempting: one compare for a group. Its other levels have gates of their own, which may have passed it',
    killedBy,
    invariant: 'QUEUE-8, QUEUE-21, QUEUE-20, QUEUE-1, not live',
  },
  {
    name: 'closed-by-the-gate-of-another-level',
    file: levels,
    find: 'return level?.reader.received(window, level.gate.place) ?? [];',
    replace: "return level?.reader.received(window, this.#levels.at(-1)?.gate.place ?? '') ?? [];",
    story:
      'Tempting: one place from which on the queue is open. Where another level stands says nothing of this one',
    killedBy,
    invariant: 'QUEUE-21, QUEUE-20, QUEUE-1, QUEUE-8, not live',
  },
  {
    name: 'one-base-for-all-levels',
    file: levels,
    find: 'return base === undefined ? [] : [[name, base]];',
    replace: 'return base === undefined || name !== this.#levels[0]?.name ? [] : [[name, base]];',
    story:
      'Tempting: the beat tells of the head of the queue. The heads of other levels are above it and below their gates',
    killedBy,
    invariant: 'QUEUE-1, QUEUE-21, QUEUE-20, not live',
  },
  {
    name: 'memory-full-of-the-less-urgent',
    file: levels,
    find: '(this.#jobs.readyUpTo(level.name) + coming) * 2 >',
    replace: '(this.#jobs.readyCount + coming) * 2 >',
    story:
      'Tempting: one bound for memory. Full of what may not go before the urgent is read, it lets nothing urgent be read',
    killedBy,
    invariant: 'QUEUE-1, not live',
  },
];
