/**
 * Every failure that Quorate reports is a {@link QuorateError}. Match on `code`, never on the message:
 * codes are stable, messages are for people. `outcome` says what is known of a write that failed.
 */

/** What is known of a request that failed. */
export type Outcome =
  /** It was not applied and never will be. Trying again is safe. */
  | 'not-applied'
  /** It may have been applied, or may still be. */
  | 'unknown';

/** The codes of {@link QuorateError}: each, what it means and what to do, in `docs/errors.md`. Codes are stable. */
export type ErrorCode =
  // What the caller did
  | 'invalid-argument'
  | 'codec'
  | 'aborted'
  | 'timeout'
  | 'closed'
  | 'over-limit'
  // An operator has closed the queue for new items
  | 'queue-closed'
  // What became of a job: it ended and there is no result (any more), it failed for good, or somebody cancelled it
  | 'no-result'
  | 'dead-lettered'
  | 'job-cancelled'
  // What became of a session or a hold
  | 'session-lost'
  | 'hold-lost'
  | 'fenced'
  // A reader may not become a writer: somebody else waits to write, and each would wait for the other
  | 'upgrade-conflict'
  // Owners waited for each other in a circle that this wait had closed. Nothing was taken: release what is held, and try again
  | 'deadlock'
  // Others were first, as often as a transaction was to be tried, or what a change was made from is no more. Nothing was written
  | 'conflict'
  // A document may be changed only by what another author has approved
  | 'review-required'
  // Somebody has closed the gate of a barrier already
  | 'gate-closed'
  // A member died, or failed, and with it the round or the generation of all who take part in it
  | 'barrier-broken'
  // What the store answered
  | 'compacted'
  | 'future-revision'
  | 'lease-not-found'
  | 'lease-exists'
  | 'duplicate-key'
  | 'key-not-found'
  | 'too-many-operations'
  | 'request-too-large'
  | 'no-space'
  | 'permission-denied'
  | 'unauthenticated'
  | 'unimplemented'
  // What became of the connection
  | 'unavailable'
  | 'unreachable'
  | 'internal';

export interface QuorateErrorOptions {
  /** Default `'not-applied'`. */
  outcome?: Outcome | undefined;
  cause?: unknown;
  /** Plain data that helps to act on the error: endpoints, revisions, limits. */
  details?: Readonly<Record<string, unknown>>;
}

const brand = Symbol.for('quorate.error');

/**
 * What every failure of this library is. Match on `code`, by {@link isQuorateError}, never on the message; of a write that failed
 * `outcome` says whether it may have been applied; `cause` is what lies beneath, and `details` plain data that helps to act. Each code,
 * what it means and what to do: `docs/errors.md`.
 */
export class QuorateError extends Error {
  readonly code: ErrorCode;
  readonly outcome: Outcome;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: QuorateErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'QuorateError';
    this.code = code;
    this.outcome = options.outcome ?? 'not-applied';
    this.details = options.details ?? {};
    Object.defineProperty(this, brand, { value: true });
  }
}

/**
 * True for an error of this library, of the given code if one is given. Holds across duplicate copies of the
 * package, where `instanceof` does not.
 */
export function isQuorateError<C extends ErrorCode>(
  error: unknown,
  code?: C,
): error is QuorateError & { readonly code: C } {
  if (typeof error !== 'object' || error === null || !(brand in error)) return false;
  return code === undefined || (error as unknown as QuorateError).code === code;
}

const permanentCodes: readonly ErrorCode[] = [
  'closed',
  // To ask again mends nothing as long as the caller holds what it holds.
  'deadlock',
  'invalid-argument',
  'codec',
  'duplicate-key',
  'too-many-operations',
  'request-too-large',
  'permission-denied',
  'unauthenticated',
  'unimplemented',
  'internal',
];

/** True for a failure that trying again later does not mend; anything that is not of this library counts as one. */
export function isPermanent(error: unknown): boolean {
  return !isQuorateError(error) || permanentCodes.includes(error.code);
}

/** True for what the store does not let this user do. */
export function isForbidden(error: unknown): boolean {
  return isQuorateError(error, 'permission-denied') || isQuorateError(error, 'unauthenticated');
}

/** True for a call that found the store away or too slow. Whether it arrived is another question, and does not matter to a read. */
export function isPassingRead(error: unknown): boolean {
  return isQuorateError(error, 'unavailable') || isQuorateError(error, 'timeout');
}

/** True for a call that failed for the moment and certainly changed nothing. */
export function isPassing(error: unknown): boolean {
  if (!isQuorateError(error) || error.outcome !== 'not-applied') return false;
  return isPassingRead(error) || error.code === 'no-space';
}

/** The error itself if it is of this library; otherwise `internal`, which says that this was `unforeseen`, and whose cause it is. */
export function quorateErrorOf(
  error: unknown,
  unforeseen: string,
  outcome: Outcome = 'not-applied',
): QuorateError {
  return isQuorateError(error) ? error : new QuorateError('internal', unforeseen, { outcome, cause: error });
}

/** The same failure, but of something that may have been done in spite of it. */
export function asUnknown(error: QuorateError): QuorateError {
  if (error.outcome === 'unknown') return error;
  const { code, message, cause, details } = error;
  return new QuorateError(code, message, { outcome: 'unknown', cause, details });
}

const longestShown = 100;

/**
 * What was given, for a message: so that a text is not taken for a number, nor a long one for the message. Of what has no text
 * of its own, what it is.
 */
export function shown(given: unknown): string {
  try {
    if (typeof given === 'bigint') return `${given}n`;
    if (typeof given === 'function') return 'a function';
    if (typeof given !== 'string' && (typeof given !== 'object' || given === null)) return String(given);
    const text = typeof given === 'string' ? JSON.stringify(given) : shownObject(given);
    return text.length <= longestShown ? text : `${text.slice(0, longestShown)}… (${text.length} characters)`;
  } catch {
    return `of type ${typeof given}`;
  }
}

function shownObject(given: object): string {
  if (typeof (given as { then?: unknown }).then === 'function') return 'a promise';
  const prototype: unknown = Object.getPrototypeOf(given);
  const isPlain = prototype === null || prototype === Object.prototype || Array.isArray(given);
  if (!isPlain) return `a ${given.constructor.name}`;
  return JSON.stringify(given, (_, value: unknown) =>
    typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value))
      ? String(value)
      : value,
  );
}

/** An `invalid-argument` error: `what` was wrong, and what is `accepted`. */
export function invalidArgument(what: string, accepted: string): QuorateError {
  return new QuorateError('invalid-argument', `${what}; accepted: ${accepted}`);
}
