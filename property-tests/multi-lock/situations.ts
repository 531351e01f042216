/** What a run of full size must have met. */
export const situations = [
  'a set waited for somebody',
  'the turns of a set came at different revisions',
  'a mutex and a set met in one line',
  'a wait was given up',
  'a try found a lock taken',
  'a try took a set',
  'a mutex was handed to one who waited',
  'a place was taken that nobody wanted any more',
  'a join was applied whose sender had been told that nobody knows',
  'a set was lost with its session',
  'a set was lost by the deletion of one of its places',
  'a process crashed while it held a set',
  'a write under a set was refused by the store',
  'nobody knew what became of a write under a set',
  'a critical section was told that its locks had been lost',
  'beliefs of processes were held against each other',
  'every contender got on when only a core was healed',
] as const;

export type Situation = (typeof situations)[number];
