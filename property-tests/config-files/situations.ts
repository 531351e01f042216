/** What a run of full size must have met. */
export const situations = [
  'a process read the store',
  'a process began without the store',
  'files were made of the last known good',
  'a process died',
  'the machine crashed',
  'keeping failed',
  'a file was changed by somebody else',
  'a damaged file was refused',
  'a run failed',
] as const;

export type Situation = (typeof situations)[number];
