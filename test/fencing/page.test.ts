import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runExample } from '../support/examples.js';
import { blocks, page, root } from './fencing-page.js';

/** The files that the page quotes whole, in its order. They are linted and compiled where they are. */
const programs = ['paused-holder', 'service'].map((name) => join(root, 'examples/fencing', `${name}.ts`));
const textsOf = (info: string) => blocks.filter((block) => block.info === info).map(({ text }) => text);

describe('docs/fencing.md', () => {
  it('quotes its programs as they are', () => {
    expect(textsOf('ts')).toEqual(programs.map((file) => readFileSync(file, 'utf8')));
  });

  it.each(programs.map((file, index) => ({ file, index })))(
    'says what $file prints',
    async ({ file, index }) => {
      const { stdout, stderr } = await runExample(file);
      expect(stderr).toBe('');
      expect(stdout).toBe(textsOf('text')[index]);
    },
    120_000,
  );

  it('points only to pages and sections that there are', () => {
    const links = [...page.matchAll(/\]\(([^):]+)\)/g)].map((match) => match[1] ?? '');
    expect(links.length).toBeGreaterThan(0);
    const headings = [...page.matchAll(/^#+ (.*)$/gm)].map((match) =>
      match[1]?.toLowerCase().replace(/ /g, '-'),
    );
    for (const link of links) {
      if (link.startsWith('#')) expect(headings).toContain(link.slice(1));
      else expect(existsSync(join(root, 'docs', link)), link).toBe(true);
    }
  });
});
