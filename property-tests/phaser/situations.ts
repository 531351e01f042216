/** What a run of full size must have met. */
export const situations = [
  'a phase ended',
  'a phase ended without a member that had died or left before it arrived',
  'somebody registered while others had arrived',
  'several members of one object arrived at once',
  'a call that was given up was gone on with',
  'a wait for the end of a phase was given up',
  'a registration was given up',
  'somebody who is no member waited for the end of a phase',
  'a member was lost with its session',
  'a registration was deleted by somebody',
  'the last one left, and the phase ended',
  'a member died that had arrived',
  'everybody got on when only a core was healed',
] as const;

export type Situation = (typeof situations)[number];
