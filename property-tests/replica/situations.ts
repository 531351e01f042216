/** What a run of full size must have met. */
export const situations = [
  'a replica was loaded in several pages',
  'the revision of a load was compacted before its last page',
  'the watch of a replica was cut',
  'a watch that brought nothing was opened anew',
  'a replica was told the difference after a compaction',
  'a follower was told several revisions as one',
  'an update was refused, and made anew',
  'an update was decided without a write',
  'a comparison was refused',
  'an entry was deleted',
  'a write was applied whose caller was never told',
  'a write was applied, and did not show in time',
  'a call was given up',
  'sync was answered',
  'a replica was looked at while its watch was cut',
  'the last value that could be read stayed',
  'a replica did not take in what was too much',
  'a replica went on once it was less',
  'a write was refused for want of room',
  'every caller got on when only a core was healed',
] as const;

export type Situation = (typeof situations)[number];
