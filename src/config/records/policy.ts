import { parsedRecord, recordBytes, wholeNumber } from './parsing.js';

/** What is asked of the changes of a document. */
export interface ConfigPolicy {
  /** Others than its author who must have approved a change, before it is published. 0: anybody may change at once. */
  readonly approvals: number;
  /** So many changes of the document are kept as history, the newest. At least 16. */
  readonly keep: number;
}

export const defaultPolicy: ConfigPolicy = { approvals: 0, keep: 100 };

export function encodePolicy({ approvals, keep }: ConfigPolicy): Uint8Array {
  return recordBytes({ approvals, keep });
}

/** Throws `codec`: a policy that nobody can read is not one that asks for nothing. */
export function decodePolicy(bytes: Uint8Array): ConfigPolicy {
  return parsedRecord('policy of a document', bytes, ({ approvals, keep }) => ({
    approvals: wholeNumber(approvals),
    keep: wholeNumber(keep),
  }));
}
