/** What the contenders wrote down, and what follows from it. */

/** One turn at the lock. Times in microseconds of the machine's monotonic clock, the same in all processes. */
export interface Acquisition {
  /** Which client of which process. */
  readonly process: number;
  readonly client: string;
  readonly requested: number;
  readonly granted: number;
  /** When its release was called. */
  readonly released: number;
}

/** From what a contender prints, as loop.ts describes it: `ready`, then a line for each. */
export function parseAcquisitions(process: number, text: string): Acquisition[] {
  return text
    .split('\n')
    .slice(1)
    .filter((line) => line !== '')
    .map((line) => {
      const [client, requested, granted, released] = line.split(' ').map(Number);
      if (client === undefined || requested === undefined || granted === undefined || !released) {
        throw new Error(`a contender printed ${JSON.stringify(line)}`);
      }
      return { process, client: `${process}.${client}`, requested, granted, released };
    });
}

/** Those granted between two instants, in the order of their grants. */
export function within(all: readonly Acquisition[], fromUs: number, toUs: number): Acquisition[] {
  return all
    .filter(({ granted }) => granted >= fromUs && granted < toUs)
    .sort((left, right) => left.granted - right.granted);
}

/** A grant to a client, and the one before it to another. */
interface HandOver {
  readonly before: Acquisition;
  readonly next: Acquisition;
}

/** Where the lock went from one client to another. A client that takes it again at once hands nothing over. */
export function handOvers(inOrder: readonly Acquisition[]): HandOver[] {
  return inOrder.flatMap((next, index) => {
    const before = inOrder[index - 1];
    return before === undefined || before.client === next.client ? [] : [{ before, next }];
  });
}

/**
 * Milliseconds from each release until the next client has the lock, where that one waited already. Negative where it had the
 * lock before the release was called: two held it at once.
 */
export function handOversMs(inOrder: readonly Acquisition[]): number[] {
  return handOvers(inOrder)
    .filter(({ before, next }) => next.requested <= before.released)
    .map(({ before, next }) => (next.granted - before.released) / 1_000);
}

/** Share of the grants that went past somebody who had asked at least `byMs` earlier and was still waiting. */
export function overtaken(inOrder: readonly Acquisition[], byMs: number): number {
  let earliestLater = Number.POSITIVE_INFINITY;
  let count = 0;
  for (let index = inOrder.length - 1; index >= 0; index -= 1) {
    const { requested } = inOrder[index] as Acquisition;
    if (earliestLater + byMs * 1_000 <= requested) count += 1;
    earliestLater = Math.min(earliestLater, requested);
  }
  return inOrder.length === 0 ? 0 : count / inOrder.length;
}

/** The most turns of other processes between two turns of a process, all of which always want the lock. */
export function longestWaitInTurns(inOrder: readonly Acquisition[]): number {
  const turns = inOrder.filter(({ process }, index) => process !== inOrder[index - 1]?.process);
  const lastTurn = new Map<number, number>();
  let longest = 0;
  for (const [turn, { process }] of turns.entries()) {
    const last = lastTurn.get(process);
    if (last !== undefined) longest = Math.max(longest, turn - last - 1);
    lastTurn.set(process, turn);
  }
  return longest;
}
