import { invalidArgument, QuorateError, shown } from '../../errors.js';

/** What a number becomes, and what the caller who asked for it is answered. */
export interface NumberChange<R> {
  readonly next: number;
  readonly answer: R;
}

/** A change of a number as one function of what it was. Throws what refuses its caller; the number stays as it was then. */
export type NumberOp<R> = (count: number) => NumberChange<R>;

/** Between which a number must stay, both included. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
}

export function checkWhole(number: unknown, name: string): number {
  if (Number.isSafeInteger(number)) return (number as number) + 0;
  throw invalidArgument(`${name} is ${shown(number)}`, 'a whole number within 2^53 - 1 of 0');
}

/** What a call is told that would take the number out of its bounds. It changes nothing. */
function checkBounds(count: number, next: number, { min, max }: Bounds): void {
  if (next >= min && next <= max) return;
  throw new QuorateError(
    'over-limit',
    `the count is ${count}, and would be ${next}: not within ${min} to ${max}`,
    {
      details: { count, min, max },
    },
  );
}

export function adding(by: number, bounds: Bounds): NumberOp<number> {
  return (count) => {
    const next = count + by;
    checkBounds(count, next, bounds);
    return { next, answer: next };
  };
}

/** Answers what it was before. */
export function setting(to: number, bounds: Bounds): NumberOp<number> {
  return (count) => {
    checkBounds(count, to, bounds);
    return { next: to, answer: count };
  };
}

export interface CountSwap {
  readonly succeeded: boolean;
  /** What the count is then: the new one, or what it was found to be instead of the expected one. */
  readonly count: number;
}

export function swapping(expected: number, to: number, bounds: Bounds): NumberOp<CountSwap> {
  return (count) => {
    if (count !== expected) return { next: count, answer: { succeeded: false, count } };
    checkBounds(count, to, bounds);
    return { next: to, answer: { succeeded: true, count: to } };
  };
}
