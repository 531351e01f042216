/** What a run of full size must have met. */
export const situations = [
  'messages of several calls shared a frame',
  'a message was published whose caller was never told',
  'a call was given up',
  'a message was published under a guard',
  'a message was refused, since its guard had ended',
  'the watch of a subscriber was cut',
  'history was compacted before a watch had delivered it',
  'what compaction had left was all that was missing',
  'a gap was told',
  'a subscriber read history',
  'messages were dropped, and told as a gap',
  'a subscriber failed, since it was too slow',
  'a subscriber went on from where it had been before a crash',
  'a subscriber went on within a frame',
  'a pattern was told of several channels in one revision',
  'a message could not be read',
  'every caller got on when only a core was healed',
] as const;

export type Situation = (typeof situations)[number];
