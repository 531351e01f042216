/** What a run of full size must have met. */
export const situations = [
  'won after another process',
  'won alone, with the place',
  'a candidate was given up',
  'a place was taken that never led',
  'a join was applied whose sender had been told that nobody knows',
  'a join was applied after its sender had been told that nobody knows',
  'a win that its candidate never heard of',
  'the watch of a waiting candidate was cut',
  'a term was lost with its session',
  'a term was lost by the deletion of its place',
  'the first look after a standstill found the term lost',
  'another led before a paused leader went on',
  'a process crashed while it led',
  'lead stood again after a loss',
  'a write of a deposed leader was refused by the store',
  'nobody knew what became of a write of a leader',
  'a checkpoint of an earlier term was found',
  'an observer was told of a cut',
  'history was compacted while an observer was cut off',
  'an observer missed a leader',
  'a place was deleted as it was to win',
  'the leader key outlived the place, and was cleared up',
  'every candidate got on when only a core was healed',
  'beliefs of leaders were held against each other',
] as const;

export type Situation = (typeof situations)[number];
