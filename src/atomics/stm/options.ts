import { invalidArgument, shown } from '../../errors.js';
import { checkWaitOptions, type WaitOptions } from '../../runtime/index.js';
import { type Isolation, type IsolationRules, rulesOf } from './isolation.js';

export interface AtomicallyOptions extends WaitOptions {
  /** Default `'serializable-snapshot'`. */
  readonly isolation?: Isolation | undefined;
  /** How often the commit may be refused because others were first, before the call fails with `conflict`. Default 100. */
  readonly maxConflicts?: number | undefined;
}

/** Who is told of the commits of a call as they are tried. */
export interface CommitWitness {
  /** What the last run wrote is to be sent now; false: it is not to be, and another run is made. */
  sends(): boolean;
  /** What was sent was refused, as others were first. */
  refused(): void;
}

export interface AtomicallySettings {
  readonly wait: WaitOptions;
  readonly rules: IsolationRules;
  readonly maxConflicts: number;
  readonly witness?: CommitWitness;
}

export function checkAtomicallyOptions(options: AtomicallyOptions, doing: string): AtomicallySettings {
  checkWaitOptions(options, doing);
  const { isolation = 'serializable-snapshot', maxConflicts = 100, signal, timeoutMs } = options;
  const isCount = maxConflicts === Number.POSITIVE_INFINITY || Number.isSafeInteger(maxConflicts);
  if (!isCount || maxConflicts < 0) {
    throw invalidArgument(`maxConflicts is ${shown(maxConflicts)}`, 'a whole number from 0, or Infinity');
  }
  return { wait: { signal, timeoutMs }, rules: rulesOf(isolation), maxConflicts };
}
