/** What other locks of this package need of a mutex and of its holds, and nobody else. */
import { invalidArgument } from '../../errors.js';
import type { Line, Place } from '../../line/index.js';
import type { Client } from '../../session/index.js';
import { type HoldInternals, PlaceHold } from '../hold.js';
import type { LockReport } from './lock-report.js';
import type { MutexOptions } from './mutex-options.js';

export interface MutexInternals {
  readonly client: Client;
  readonly line: Line;
  readonly options: Required<MutexOptions>;
  readonly report: LockReport;
}

const mutexes = new WeakMap<object, MutexInternals>();

export function registerMutex(mutex: object, internals: MutexInternals): void {
  mutexes.set(mutex, internals);
}

/** Errors: `invalid-argument` for what is no mutex of this package. */
export function internalsOf(mutex: object): MutexInternals {
  const internals = typeof mutex === 'object' && mutex !== null ? mutexes.get(mutex) : undefined;
  if (internals === undefined) throw invalidArgument('what was given is no mutex', 'a Mutex of this package');
  return internals;
}

/** Undefined for what is no hold of a mutex. */
export function internalsOfHold(hold: object): HoldInternals | undefined {
  return typeof hold === 'object' && hold !== null ? PlaceHold.internalsOf(hold) : undefined;
}

export function placeOf(hold: object): Place | undefined {
  return internalsOfHold(hold)?.place;
}
