/** Why a run failed, so that it can be told, compared and sent from one process to another. */
export type FailureKind =
  /** A checker found an invariant broken, or an assertion did not hold. */
  | 'invariant'
  /** Something was still pending long after all was healed. */
  | 'not-live'
  /** The run did not come to an end. */
  | 'runaway'
  /** A promise was rejected and nobody listened. */
  | 'unhandled-rejection'
  /** The process warned: of an exception in a listener, of too many listeners. */
  | 'warning'
  /** Two runs of the same plan went differently. */
  | 'not-repeatable'
  /** Anything else that was thrown. */
  | 'error';

export interface Failure {
  readonly kind: FailureKind;
  readonly message: string;
  readonly stack?: string;
}

export class NotLive extends Error {
  override readonly name = 'NotLive';

  constructor(pending: string, withinMs: number) {
    super(`not live: ${pending}, still pending ${withinMs / 1_000} s after the healing`);
  }
}

export class Runaway extends Error {
  override readonly name = 'Runaway';
}

const kindsByName: Readonly<Record<string, FailureKind>> = {
  InvariantBroken: 'invariant',
  AssertionError: 'invariant',
  NotLive: 'not-live',
  Runaway: 'runaway',
};

function kindOf(error: Error): FailureKind {
  // What `invariant()` of the sources throws where they find themselves contradicted.
  if ('code' in error && error.code === 'internal') return 'invariant';
  return kindsByName[error.name] ?? 'error';
}

export function failureOf(error: unknown, kind?: FailureKind): Failure {
  if (!(error instanceof Error)) return { kind: kind ?? 'error', message: String(error) };
  const told = kind ?? kindOf(error);
  const message = told === 'error' ? `${error.name}: ${error.message}` : error.message;
  return { kind: told, message, ...(error.stack === undefined ? {} : { stack: error.stack }) };
}

/** The invariant that a message names first: `LOCK-1 …`. */
export function invariantNamed(message: string): string | undefined {
  return /\b[A-Z][A-Z]+-\d+\b/.exec(message)?.[0];
}

/** Failures with the same signature are taken for the same, so that shrinking does not slip from one to another. */
export function signatureOf({ kind, message }: Failure): string {
  return `${kind} ${invariantNamed(message) ?? ''}`;
}
