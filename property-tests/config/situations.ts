/** What a run of full size must have met. */
export const situations = [
  'documents that were changed together were given together',
  'a reader took a rollout',
  'a rollout grew',
  'a rollout was promoted',
  'a rollout was aborted',
  'a promotion was refused, since something had changed',
  'a change was refused, since it expected something else',
  'a change was applied whose caller was never told',
  'a call was made again under its id',
  'a change was made that needed a review',
  'a publication was refused for want of approvals',
  'a document was rolled back',
  'a revision was not given, since a document failed its schema',
  'a reader could not begin, since a document failed its schema',
  'readers went on after a failure was mended',
  'revisions were given together',
  'history was cut to what is to be kept',
  'a sync waited for the newest',
  'a call was given up',
  'readers had the newest when only a core was healed',
] as const;

export type Situation = (typeof situations)[number];
