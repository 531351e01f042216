import { fieldsOf, list, parsedRecord, recordBytes, text, wholeNumber } from './parsing.js';

/** So many change ids are remembered: a change that is asked for again under one of them is not made again. */
export const rememberedIds = 16;

/** How far a document has come. */
export interface HeadRecord {
  /** Number of its last change; 0 for none. */
  readonly number: number;
  /** Number of the first change whose history is kept. */
  readonly first: number;
  /** The ids of the last changes, the newest last. */
  readonly recent: readonly RecentChange[];
}

export interface RecentChange {
  readonly id: string;
  readonly number: number;
  /** That it came of: so that nobody proposes it again who was not told that it was published. */
  readonly proposal?: { readonly author: string; readonly id: string };
}

export const emptyHead: HeadRecord = { number: 0, first: 1, recent: [] };

export function encodeHead(head: HeadRecord): Uint8Array {
  return recordBytes(head);
}

/** Throws `codec`. */
export function decodeHead(bytes: Uint8Array): HeadRecord {
  return parsedRecord('head of a document', bytes, (fields) => ({
    number: wholeNumber(fields['number']),
    first: wholeNumber(fields['first']),
    recent: list(fields['recent']).map((entry) => {
      const { id, number, proposal } = fieldsOf(entry);
      const known = { id: text(id), number: wholeNumber(number) };
      return proposal === undefined ? known : { ...known, proposal: namedIn(fieldsOf(proposal)) };
    }),
  }));
}

function namedIn({ author, id }: Readonly<Record<string, unknown>>) {
  return { author: text(author), id: text(id) };
}
