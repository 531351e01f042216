/** Every property that `npm run test:properties` runs. */
import type { Property } from './support/property.js';
import { toy } from './toy/property.js';

export { canary } from './toy/property.js';

export const properties: readonly Property[] = [toy];

/** A full run is no proof with fewer. */
export const leastSimulations = 10_000;
