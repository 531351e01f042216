import type { FaultKind } from '../../src/simulator/index.js';
import { pickFrom } from './pick.js';
import type { World } from './world.js';

/** What all links suffer from throughout, beside the faults of the plan, so that replies are lost all the time. */
export type Weather = 'fair' | Extract<FaultKind, 'lossy-link' | 'late-link'>;

export const weathers = pickFrom<Weather>(['fair', 'fair', 'lossy-link', 'late-link']);

export function bring(world: World, weather: Weather, processes: number, durationMs: number): void {
  if (weather === 'fair') return;
  for (let target = 0; target < processes; target += 1) {
    world.simulation.inject({ atMs: 0, durationMs, kind: weather, target });
  }
}
