/** How far a group has come in a partition: the value of `c/<group>/<partition>`. */
import { QuorateError } from '../../../errors.js';
import { type KeyValue, textOf } from '../../../store/index.js';
import type { Position } from '../position.js';

/** Messages of one revision, from one index to another, both included. */
export interface Span {
  readonly revision: number;
  readonly first: number;
  readonly last: number;
}

/** How often the handling of a message failed that is neither acknowledged nor given up. */
export interface Failures extends Position {
  readonly times: number;
}

/** Why nothing of a partition is handed out any more. */
export interface Stop extends Position {
  readonly reason: string;
}

export interface Cursor {
  /** This message and all before it are acknowledged, dead letters, or gone. */
  readonly after: Position;
  /** How many messages these are; undefined if nobody has counted. */
  readonly count: number | undefined;
  /** Those above it that are acknowledged or dead letters too, in order. */
  readonly done: readonly Span[];
  readonly failures: readonly Failures[];
  readonly stopped: Stop | undefined;
  /** The create revision of the owner's key that wrote it; 0: not an owner. */
  readonly term: number;
}

export function encodeCursor({ after, count, done, failures, stopped, term }: Cursor): string {
  return JSON.stringify({
    after: [after.revision, after.index],
    count,
    ...(done.length === 0 ? {} : { done: done.map(({ revision, first, last }) => [revision, first, last]) }),
    ...(failures.length === 0
      ? {}
      : { failures: failures.map(({ revision, index, times }) => [revision, index, times]) }),
    ...(stopped === undefined ? {} : { stopped: [stopped.revision, stopped.index, stopped.reason] }),
    term,
  });
}

interface Encoded {
  readonly after: [number, number];
  readonly count?: number;
  readonly done?: readonly [number, number, number][];
  readonly failures?: readonly [number, number, number][];
  readonly stopped?: [number, number, string];
  readonly term: number;
}

/** Throws `codec`: who cannot read what is acknowledged must not hand it out. */
export function decodeCursor({ key, value }: Pick<KeyValue, 'key' | 'value'>): Cursor {
  try {
    const { after, count, done = [], failures = [], stopped, term } = JSON.parse(textOf(value)) as Encoded;
    const numbers = [...after, count ?? 0, ...done.flat(), ...failures.flat(), term];
    if (after.length !== 2 || !numbers.every((one) => Number.isSafeInteger(one)))
      throw new TypeError('no numbers');
    return {
      after: { revision: after[0], index: after[1] },
      count,
      done: done.map(([revision, first, last]) => ({ revision, first, last })),
      failures: failures.map(([revision, index, times]) => ({ revision, index, times })),
      stopped: stopped && { revision: stopped[0], index: stopped[1], reason: String(stopped[2]) },
      term,
    };
  } catch (cause) {
    throw new QuorateError('codec', `malformed cursor under ${key}: was it written by another program?`, {
      cause,
    });
  }
}

/** A cursor at a place that is not of an owner's choice. */
export function cursorAt(after: Position, count: number | undefined): Cursor {
  return { after, count, done: [], failures: [], stopped: undefined, term: 0 };
}

export function isDone({ done }: Pick<Cursor, 'done'>, { revision, index }: Position): boolean {
  return done.some((span) => span.revision === revision && span.first <= index && index <= span.last);
}

/** How many messages of the spans come after one place, up to and including a revision. */
export function doneBetween(
  { done }: Pick<Cursor, 'done'>,
  after: Position,
  upTo: number = Number.POSITIVE_INFINITY,
): number {
  return done.reduce((sum, { revision, first, last }) => {
    if (revision > upTo || revision < after.revision) return sum;
    const from = revision === after.revision ? Math.max(first, after.index + 1) : first;
    return sum + Math.max(0, last - from + 1);
  }, 0);
}
