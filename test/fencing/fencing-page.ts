import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { blocksOf } from '../support/examples.js';

export const root = fileURLToPath(new URL('../../', import.meta.url));
export const page = readFileSync(`${root}docs/fencing.md`, 'utf8');

export const blocks = blocksOf(page);

/** The SQL of the page that has this name. */
export function sqlOfPage(name: string): string {
  const named = blocks.filter(({ info }) => info === `sql ${name}`);
  if (named[0] === undefined || named.length > 1)
    throw new Error(`${named.length} blocks are called ${name}`);
  return named[0].text;
}
