/** What a run of full size must have met. */
export const situations = [
  'a wait came to a closed gate, and returned',
  'a wait passed an open gate',
  'a wait was given up',
  'a gate was closed already',
  'a gate was closed on purpose',
  'a gate opened with the lease of its holder',
  'a gate was closed again at once',
  'a hold was lost with its session',
  'the watch of a process that waited was cut',
  'all who waited were released by an opening that their watches did not show',
] as const;

export type Situation = (typeof situations)[number];
