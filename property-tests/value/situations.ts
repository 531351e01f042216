/** What a run of full size must have met. */
export const situations = [
  'an update was refused, and made anew',
  'a process stood in line to update',
  'a comparison was refused',
  'a write was applied whose caller was never told',
  'a call was given up',
  'a value was deleted',
  'a write was refused, since its guard had ended',
  'a write was made under a guard',
  'a watcher was told that nobody knows',
  'a watcher was not told every state',
  'a gap was told',
  'a reader went on where it had been before a crash',
  'versions of the past were read',
  'history ended where it was compacted',
  'every caller got on when only a core was healed',
] as const;

export type Situation = (typeof situations)[number];
