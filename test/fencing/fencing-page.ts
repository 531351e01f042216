import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));
export const page = readFileSync(`${root}docs/fencing.md`, 'utf8');

export interface Block {
  /** What stands after the three backticks, such as `sql advance`. */
  readonly info: string;
  readonly text: string;
}

export const blocks: readonly Block[] = [...page.matchAll(/^```(\S.*)\n([\s\S]*?)^```$/gm)].map((match) => ({
  info: match[1] ?? '',
  text: match[2] ?? '',
}));

/** The SQL of the page that has this name. */
export function sqlOfPage(name: string): string {
  const named = blocks.filter(({ info }) => info === `sql ${name}`);
  if (named[0] === undefined || named.length > 1)
    throw new Error(`${named.length} blocks are called ${name}`);
  return named[0].text;
}
