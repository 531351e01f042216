/** What a run of full size must have met. */
export const situations = [
  'a round was let in',
  'a round was over',
  'a round was broken',
  'a member entered',
  'a member left with all others',
  'a member was told that its round is broken',
  'a member was refused',
  'members waited for the next round',
  'who waited to enter gave up',
  'who waited to leave gave up',
  'a member withdrew',
  'a member died',
  'a process crashed inside',
  'a session was lost inside',
  'in calm one died, and the others were told',
] as const;

export type Situation = (typeof situations)[number];
