/** What a run of full size must have met. */
export const situations = [
  'a wait came back',
  'somebody woke, and found nothing changed',
  'several were notified at once',
  'a wait was given up',
  'a notification was passed on by one who gave up',
  'a notification was given up, and nobody waited',
  'a notification died with its waiter',
  'one who was notified was handed the lock',
  'a wait was lost with its session',
  'a process crashed while it waited',
  'nobody knew what became of a notification',
  'a wait began whose sender had been told that nobody knows',
  'somebody waits for what will not come, and nobody else',
  'beliefs of processes were held against each other',
  'every contender got on when only a core was healed',
] as const;

export type Situation = (typeof situations)[number];
