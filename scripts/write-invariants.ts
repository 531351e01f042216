/** `npm run docs:invariants` */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { invariantsPage } from './invariants-page.js';

writeFileSync(fileURLToPath(new URL('../docs/invariants.md', import.meta.url)), invariantsPage());
