/**
 * Real text to work on: every Markdown file of the installed packages. There are a few hundred, so each section, from
 * one heading to the next, counts as a document, which makes some thousands.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Section {
  /** Path below `node_modules`. */
  readonly file: string;
  /** Characters of the file, from `start` up to but not including `end`. */
  readonly start: number;
  readonly end: number;
}

const folder = fileURLToPath(new URL('../../node_modules', import.meta.url));

/** All sections of all Markdown files, in an order that is the same in every process. */
export function readSections(): Section[] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.toLowerCase().endsWith('.md'))
    .sort();
  return files.flatMap((file) => {
    const text = readFileSync(join(folder, file), 'utf8');
    const starts = [0, ...[...text.matchAll(/^#{1,6} /gm)].map((heading) => heading.index)];
    return starts
      .map((start, index) => ({ file, start, end: starts[index + 1] ?? text.length }))
      .filter(({ start, end }) => end > start);
  });
}

/** The text of a section. */
export function readSection({ file, start, end }: Section): string {
  return readFileSync(join(folder, file), 'utf8').slice(start, end);
}

/** The words of a text, in lower case. */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? [];
}
