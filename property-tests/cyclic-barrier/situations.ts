/** What a run of full size must have met. */
export const situations = [
  'a generation passed',
  'who came late was counted in the next generation',
  'a generation was broken by a death',
  'a generation was broken by one who gave up',
  'a generation was broken by its action',
  'somebody came to a broken barrier',
  'a barrier was reset while somebody waited',
  'a barrier at which nobody was left began anew',
  'a generation went on without the dead',
  'somebody took the place of the dead',
  'an elect died in its action, and another one ran it again',
  'a claim was lost with its session',
  'a member died that had not arrived',
  'somebody else ran the action than for the last arrival',
  'a wait was lost with its session',
  'a wait was given up',
  'somebody waits for what will not come, and nobody else',
  'everybody got on when only a core was healed',
] as const;

export type Situation = (typeof situations)[number];
