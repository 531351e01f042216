import type { Patience } from './holding.js';
import { pickFrom } from './pick.js';
import type { CallerPace } from './seats.js';

/** A caller that comes often or seldom, waits long or not, and is struck now and then: the fields of its record. */
export const callerPace = {
  rounds: pickFrom([1, 3, 8, 16]),
  startMs: pickFrom([0, 0, 0, 50, 500, 1_500]),
  gapMs: pickFrom([0, 5, 40, 150, 300]),
  patienceMs: pickFrom([0, 0, 0, 3, 40, 400, 2_000]),
  givesUpBy: pickFrom<Patience['givesUpBy']>(['timeout', 'signal']),
  stroke: pickFrom<CallerPace['stroke']>(['none', 'none', 'none', 'none', 'pause', 'pause', 'crash']),
  strokeMs: pickFrom([20, 600, 3_500, 3_500]),
};
