/** Delays as other queues lose or shorten them, and variants of ours that were tempting, one decision each. */
import type { Mutant } from './mutant.js';

const plan = 'src/queues/dispatch/dispatch-plan.ts';
const windows = 'src/queues/dispatch/levels/window-reader.ts';
const loading = 'src/queues/dispatch/loading.ts';
const transactions = 'src/queues/timers/timer-transactions.ts';
const held = 'src/queues/timers/held-timers.ts';
const killedBy = 'queue-delays';

export const queueDelaysMutants: readonly Mutant[] = [
  {
    name: 'fired-when-its-value-is-read',
    file: 'src/queues/timers/near-timers.ts',
    find: 'if (found === undefined || dueMs > queueMs) continue;',
    replace: 'if (found === undefined) continue;',
    story: 'Tempting: what is read ahead to be punctual is put as soon as it is there',
    killedBy,
    invariant: 'QUEUE-22',
  },
  {
    name: 'queue-time-from-zero-at-takeover',
    file: loading,
    find: 'timeMs: beat?.timeMs ?? 0,',
    replace: 'timeMs: 0,',
    story: 'A lease for each delay: a change of leader begins all of them anew (etcd restarts every TTL)',
    killedBy,
    invariant: 'QUEUE-23',
  },
  {
    name: 'firing-unguarded',
    file: transactions,
    find: "    compare: [compare.create(delayed, 'equal', firing.create)],\n",
    replace: '',
    story:
      'Any queue that moves delayed jobs in two steps: read, then put. One that was removed in between runs all the same',
    killedBy,
    invariant: 'QUEUE-23',
  },
  {
    name: 'firing-beside-the-deletion',
    file: transactions,
    find: 'success: [remove(delayed), forget, { type:',
    replace: 'success: [forget, { type:',
    story: 'Put into the queue first and deleted later: between the two the item is there twice',
    killedBy,
    invariant: 'QUEUE-23',
  },
  {
    name: 'base-above-what-fires',
    file: plan,
    find: 'bases: this.#levels.bases(first),',
    replace: 'bases: this.#levels.bases(),',
    story:
      'Tempting: the base is what the plan holds, and what fires is added when the reply is there. A successor never reads it',
    killedBy,
  },
  {
    name: 'firing-without-a-beat',
    file: plan,
    find: '[gate, release, first].some(',
    replace: '[gate, release].some(',
    story:
      'Tempting: the next beat will tell. A dispatcher that dies before it leaves its successor a base above the item',
    killedBy,
  },
  {
    name: 'window-without-what-fired-into-it',
    file: windows,
    find: '    if (this.#reading !== undefined || this.#pending !== undefined) this.#fired.push(item);\n',
    replace: '',
    story: 'Tempting: what lies beyond the cut will be read. The window was asked for before',
    killedBy,
  },
  {
    name: 'fired-left-to-the-watch',
    file: plan,
    find: 'items.filter((item) => this.#levels.admitsFired(item)),',
    replace: 'items.filter(() => false),',
    story: 'Tempting: the watch brings every new item. Below the cut it is taken for one that is known',
    killedBy,
  },
  {
    name: 'timers-stamped-during-a-read-forgotten',
    file: held,
    find: '    } else if (this.#reading !== undefined) this.#meanwhile.push(timer);\n',
    replace: '    }\n',
    story: 'Read, then go on from there: what was written while the window was on its way is in neither',
    killedBy,
  },
  {
    name: 'delays-before-the-term-unread',
    file: 'src/queues/timers/fresh-timers.ts',
    find: "  #unread: ItemId | undefined = '';\n",
    replace: '  #unread: ItemId | undefined;\n',
    story:
      'Watch from now: what was enqueued while nobody dispatched waits for ever (Redisson #1763: missed wake-ups)',
    killedBy,
  },
  {
    name: 'timers-of-the-last-term-unread',
    file: held,
    find: "  #cut: TimerPlace | undefined = '';\n",
    replace: '  #cut: TimerPlace | undefined;\n',
    story: 'Timers in memory only: they die with the process that kept them (any setTimeout behind a queue)',
    killedBy,
  },
  {
    name: 'delay-stamped-before-it-is-known',
    file: 'src/queues/timers/timer-plan.ts',
    find: 'dueMs: Math.ceil(nowMs + this.#toQueueMs + delayMs) });',
    replace: 'dueMs: Math.ceil(nowMs + this.#toQueueMs + delayMs) - 5 });',
    story: 'A delay that is counted from a clock of somebody else, which is a little ahead',
    killedBy,
    invariant: 'QUEUE-22',
  },
];
