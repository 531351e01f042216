/**
 * Where the index lies in the store: in segments of a few documents each, since a value in etcd should stay well below
 * its limit of 1.5 MiB. A segment says in which term it was written.
 */
import { type Client, getPrefix, type PutOp, put, textOf } from 'quorate';
import type { Section } from '../support/corpus.js';
import { append, buildIndex, type InvertedIndex } from './inverted-index.js';

const documentsEach = 25;

export function segmentCount(sections: readonly Section[]): number {
  return Math.ceil(sections.length / documentsEach);
}

function prefixOf(client: Client): string {
  return `${client.keys.prefix('app', 'index')}segment/`;
}

/** Builds a segment and returns the put that publishes it. */
export function segmentPut(
  client: Client,
  sections: readonly Section[],
  number: number,
  term: number,
): PutOp {
  const first = number * documentsEach;
  const index = buildIndex(sections.slice(first, first + documentsEach), first);
  const key = prefixOf(client) + String(number).padStart(6, '0');
  return put(key, JSON.stringify({ term, words: [...index] }));
}

export interface PublishedIndex {
  readonly index: InvertedIndex;
  /** The term in which each segment was written, in the order of the segments. */
  readonly terms: readonly number[];
}

export async function loadIndex(client: Client): Promise<PublishedIndex> {
  const { kvs } = await client.store.range(getPrefix(prefixOf(client)));
  const index: InvertedIndex = new Map();
  const terms: number[] = [];
  for (const kv of kvs) {
    const segment = JSON.parse(textOf(kv.value)) as { term: number; words: [string, number[]][] };
    append(index, new Map(segment.words));
    terms.push(segment.term);
  }
  return { index, terms };
}
