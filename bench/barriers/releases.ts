/** When waits returned, and how long after the release that was. */

export interface Release {
  readonly round: number;
  /** In microseconds: before the request that opens the gate was sent, and after its answer had come. */
  readonly sentUs: number;
  readonly answeredUs: number;
}

export interface Return {
  readonly round: number;
  readonly returnedUs: number;
}

/** What a process of waiters has printed, after its first line. */
export function parseReturns(text: string): readonly Return[] {
  const [, ...lines] = text.trim().split('\n');
  return lines.map((line) => {
    const [round, returnedUs] = line.split(' ').map(Number);
    if (!Number.isInteger(round) || !Number.isInteger(returnedUs)) throw new Error(`not a return: ${line}`);
    return { round: round as number, returnedUs: returnedUs as number };
  });
}

/**
 * Milliseconds from the sending of the release to each return, of the rounds from `first` on: so the commit is in it. Throws if a wait
 * returned before that, or is missing.
 */
export function delaysMs(
  releases: readonly Release[],
  returns: readonly Return[],
  { waiters, first }: { readonly waiters: number; readonly first: number },
): readonly number[] {
  return releases
    .filter(({ round }) => round >= first)
    .flatMap(({ round, sentUs }) => {
      const own = returns.filter((one) => one.round === round);
      if (own.length !== waiters) throw new Error(`${own.length} of ${waiters} returned in round ${round}`);
      const early = own.filter(({ returnedUs }) => returnedUs < sentUs).length;
      if (early > 0) throw new Error(`${early} returned in round ${round} before the gate was opened`);
      return own.map(({ returnedUs }) => (returnedUs - sentUs) / 1_000);
    });
}
