import { bytesOf, hexRevision, textOf } from '../../store/index.js';
import { malformed, parsed, wholeNumber } from './parsing.js';

/** What a producer may put into a bounded queue. */
export interface Grant {
  /** Items in all, since its account was opened. */
  readonly granted: number;
  /** The demand that this answers, and all before it. */
  readonly answered: number;
  /** The demand for which there was no room, if it was the last answered so; otherwise 0. Where it is not to wait. */
  readonly refused: number;
}

/** What a producer has put into a bounded queue, and what it wants to. */
export interface Demand {
  /** Items in all, since its account was opened. */
  readonly used: number;
  /** Items that wait to enter together, at the front. 0: none. */
  readonly next: number;
  /** All that wait. */
  readonly wanted: number;
  /** Counts up with each demand. */
  readonly ask: number;
}

/** Sorts by `granted`, so that a compare of values tells whether it is enough. */
export function encodeGrant({ granted, answered, refused }: Grant): Uint8Array {
  return bytesOf(`${hexRevision(granted)}/${answered}/${refused}`);
}

/** A grant of at least `count` is above this, and every smaller one below. */
export function leastGrant(count: number): string {
  return hexRevision(count);
}

export function decodeGrant(bytes: Uint8Array): Grant {
  const [granted = '', answered, refused] = textOf(bytes).split('/');
  const value = {
    granted: Number.parseInt(granted, 16),
    answered: Number(answered),
    refused: Number(refused),
  };
  if (!Object.values(value).every(Number.isSafeInteger)) throw malformed('grant');
  return value;
}

export function encodeDemand(demand: Demand): Uint8Array {
  return bytesOf(JSON.stringify(demand));
}

export function decodeDemand(bytes: Uint8Array): Demand {
  const value = parsed('demand', () => JSON.parse(textOf(bytes)) as Partial<Demand>);
  return {
    used: wholeNumber(value.used),
    next: wholeNumber(value.next),
    wanted: wholeNumber(value.wanted),
    ask: wholeNumber(value.ask),
  };
}
