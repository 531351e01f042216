/**
 * `npm run test:properties -- [options]`: random plans against every property, and what they find, shrunk. Not vitest:
 * runs by the thousand, in processes of their own, each with its seed.
 */

import { parseOptions } from './support/options.js';
import { loadProperties } from './support/property-list.js';
import { replay } from './support/replay.js';
import { runProperties } from './support/runner.js';

const options = parseOptions(process.argv.slice(2));
const list = await loadProperties(options.properties);
const { passed, failed } =
  options.replay === undefined
    ? await runProperties(list, options)
    : await replay(options.replay, list, options);
console.log(`\n${passed} passed, ${failed} failed`);
// Not before all is written; what a run left pending is not waited for.
process.stdout.write('', () => process.exit(failed > 0 || passed === 0 ? 1 : 0));
