/** What a run of full size must have met. */
export const situations = [
  'another candidate won',
  'won alone, by the request that took its place',
  'won after it had waited',
  'a checkpoint of an earlier term was found',
  'a term was lost with its session',
  'a term was lost by the deletion of its place',
  'a candidate withdrew before it won',
  'a process crashed while it led',
  'the first look after a standstill found the term lost',
  'another led before a paused leader went on',
  'a write of a past leader was refused by the store',
  'nobody knew what became of a write of a leader',
  'a join was applied whose sender had been told that nobody knows',
  'a join was applied after its sender had been told that nobody knows',
  'the work of a leader ran again after its term had been lost',
  'an observer was told that nobody knows who leads',
  'an observer was told that nobody leads',
  'an observer was told of a proclamation',
  'an observer missed a leader in between',
  'history was compacted while an observer was cut off',
  'every candidate got on when only a core was healed',
  'beliefs of leaders were held against each other',
] as const;

export type Situation = (typeof situations)[number];
