/** What a run of full size must have met. */
export const situations = [
  'the latch opened',
  'an arrival was counted',
  'an arrival was said again',
  'an arrival came to an open latch',
  'a call that counts down was told nothing',
  'a wait returned',
  'a wait was given up',
  'the watch of a process that waited was cut',
  'a process crashed as it counted down',
] as const;

export type Situation = (typeof situations)[number];
