import { createHash } from 'node:crypto';
import { readSection, type Section, wordsOf } from '../support/corpus.js';

/** The work itself: the hash of a section's text, and how many words it has. */
export function examine(section: Section): { sha256: string; words: number } {
  const text = readSection(section);
  return { sha256: createHash('sha256').update(text).digest('hex'), words: wordsOf(text).length };
}
