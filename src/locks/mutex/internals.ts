/** What other locks of this package need of a mutex and of its holds, and nobody else. */
import { invalidArgument } from '../../errors.js';
import type { FencedWrites, Line, Place } from '../../line/index.js';
import type { Client } from '../../session/index.js';
import type { Owner } from '../waiting/owner.js';
import type { MutexOptions } from './mutex-options.js';

export interface MutexInternals {
  readonly client: Client;
  readonly line: Line;
  readonly options: Required<MutexOptions>;
}

export interface HoldInternals {
  /** In which its place stands: every `Mutex` object has one of its own. */
  readonly line: Line;
  readonly place: Place;
  readonly writes: FencedWrites;
  /** For whom it is, if that was told. */
  readonly owner: Owner | undefined;
  /**
   * From here on it is not held and takes no more writes; who waits for its release still waits. Its place is given to
   * nobody else before `until` has settled.
   */
  readonly stop: (until: Promise<unknown>) => void;
}

const mutexes = new WeakMap<object, MutexInternals>();
const holds = new WeakMap<object, HoldInternals>();

export function registerMutex(mutex: object, internals: MutexInternals): void {
  mutexes.set(mutex, internals);
}

export function registerHold(hold: object, internals: HoldInternals): void {
  holds.set(hold, internals);
}

/** Errors: `invalid-argument` for what is no mutex of this package. */
export function internalsOf(mutex: object): MutexInternals {
  const internals = typeof mutex === 'object' && mutex !== null ? mutexes.get(mutex) : undefined;
  if (internals === undefined) throw invalidArgument('what was given is no mutex', 'a Mutex of this package');
  return internals;
}

/** Undefined for what is no hold of a mutex. */
export function internalsOfHold(hold: object): HoldInternals | undefined {
  return typeof hold === 'object' && hold !== null ? holds.get(hold) : undefined;
}

export function placeOf(hold: object): Place | undefined {
  return internalsOfHold(hold)?.place;
}
