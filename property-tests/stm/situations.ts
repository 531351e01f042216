/** What a run of full size must have met. */
export const situations = [
  'a transaction was committed',
  'a transaction that wrote nothing saw several keys',
  'a function was run again',
  'a function was run more than three times',
  'a function was run on keys that a range had lost or gained',
  'a process stood in the line of a hot key',
  'a place in a line went with a commit',
  'a place in a line went otherwise',
  'a transaction was given up',
  'a transaction met conflicts as often as it was to',
  'nobody knew what became of a commit',
  'a commit of which nobody knew was applied',
  'a function threw, and wrote nothing',
  'a transaction was refused by its guard',
  'a process crashed in a transaction',
  'a transaction was committed under a hold',
  'every transaction got on when only a core was healed',
] as const;

export type Situation = (typeof situations)[number];
