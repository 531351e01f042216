/** An inverted index: for each word the numbers of the documents that contain it, ascending. */
import { createHash } from 'node:crypto';
import { readSection, type Section, wordsOf } from '../support/corpus.js';

export type InvertedIndex = Map<string, number[]>;

/** Indexes documents that are numbered from `firstNumber`. */
export function buildIndex(sections: readonly Section[], firstNumber = 0): InvertedIndex {
  const index: InvertedIndex = new Map();
  for (const [offset, section] of sections.entries()) {
    for (const word of new Set(wordsOf(readSection(section)))) {
      const documents = index.get(word);
      if (documents) documents.push(firstNumber + offset);
      else index.set(word, [firstNumber + offset]);
    }
  }
  return index;
}

/** Adds the postings of a part whose documents all come after those in `index`. */
export function append(index: InvertedIndex, part: InvertedIndex): void {
  for (const [word, documents] of part) {
    const before = index.get(word);
    if (before) before.push(...documents);
    else index.set(word, [...documents]);
  }
}

/** The documents that contain every word of the query. */
export function search(index: InvertedIndex, query: string): number[] {
  const postings = wordsOf(query).map((word) => index.get(word) ?? []);
  const [first = [], ...others] = postings.sort((a, b) => a.length - b.length);
  const sets = others.map((documents) => new Set(documents));
  return first.filter((document) => sets.every((set) => set.has(document)));
}

/** The same for equal indexes, whatever the order in which their words came. */
export function digestOf(index: InvertedIndex): string {
  const words = [...index].sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(words)).digest('hex');
}
