/** What a run of full size must have met. */
export const situations = [
  'a circle of two was broken',
  'a circle of three or more was broken',
  'a circle that one look saw had dissolved at the next',
  'a circle was gone before the look that saw it was answered',
  'a victim was told although a reply to it had been lost',
  'somebody whom nobody named waited among owners',
  'a look failed, and a later one found the circle',
  'a wait was given up',
  'a place was handed over to an owner',
  'a process crashed while it held locks',
  'a hold was lost while its owner waited for another',
  'every owner got on when only a core was healed',
] as const;

export type Situation = (typeof situations)[number];
