/**
 * From the failures of gRPC and etcd to typed errors.
 *
 * What a failed write did is `not-applied` only where that is certain: etcd refuses with a message of its own that
 * it gives before or instead of applying, or the transport knows that the request was never sent. Everything else,
 * deadlines and cuts above all, is `unknown`.
 */
import { type ErrorCode, type Outcome, QuorateError } from '../errors.js';
import { CallError, status } from './transport/transport.js';

/** Whether a request may change something; a read has no outcome to be unsure of. */
export type CallKind = 'read' | 'write';

interface Meaning {
  readonly code: ErrorCode;
  readonly outcome: Outcome;
}

const refused = (code: ErrorCode): Meaning => ({ code, outcome: 'not-applied' });
const unsure = (code: ErrorCode): Meaning => ({ code, outcome: 'unknown' });

/** etcd's messages, without `etcdserver: `. The status codes alone do not tell them apart. */
const meanings: readonly (readonly [text: string, meaning: Meaning])[] = [
  ['duplicate key given in txn request', refused('duplicate-key')],
  ['too many operations in txn request', refused('too-many-operations')],
  ['request is too large', refused('request-too-large')],
  // Go's server says so before it reads the request; without the prefix it may be our own end, of a reply.
  ['grpc: received message larger than max', refused('request-too-large')],
  ['Received message larger than max', unsure('request-too-large')],
  ['key not found', refused('key-not-found')],
  ['required revision has been compacted', refused('compacted')],
  ['required revision is a future revision', refused('future-revision')],
  // etcd checks its quota, applies the write all the same, and then says so.
  ['database space exceeded', unsure('no-space')],
  ['requested lease not found', refused('lease-not-found')],
  ['lease already exists', refused('lease-exists')],
  ['too large lease TTL', refused('invalid-argument')],
  ['permission denied', refused('permission-denied')],
  ['authentication failed', refused('unauthenticated')],
  ['invalid auth token', refused('unauthenticated')],
  ['user name is empty', refused('unauthenticated')],
  ['revision of auth store is old', refused('unauthenticated')],
  // The member turns these away at its door, before it proposes anything.
  ['no leader', refused('unavailable')],
  ['too many requests', refused('unavailable')],
  ['not capable', refused('unavailable')],
  ['rpc not supported for learner', refused('unavailable')],
  // What was proposed before may still be applied.
  ['request timed out', unsure('timeout')],
  ['leader changed', unsure('unavailable')],
  ['server stopped', unsure('unavailable')],
  ['raft proposal dropped', unsure('unavailable')],
];

function meaningOf(error: CallError): Meaning {
  for (const [text, meaning] of meanings) {
    if (error.details.includes(text)) return meaning;
  }
  switch (error.grpcCode) {
    case status.invalidArgument:
      return refused('invalid-argument');
    case status.permissionDenied:
      return refused('permission-denied');
    case status.unauthenticated:
      return refused('unauthenticated');
    case status.unimplemented:
      return refused('unimplemented');
    case status.deadlineExceeded:
      return unsure('timeout');
    case status.unavailable:
    case status.cancelled:
    case status.aborted:
      return unsure('unavailable');
    default:
      return unsure('internal');
  }
}

/** True if another token may help: it has expired, its server process is gone, or there was none yet. */
export function isStaleToken(error: CallError): boolean {
  const { details } = error;
  return (
    details.includes('invalid auth token') ||
    details.includes('revision of auth store is old') ||
    details.includes('user name is empty')
  );
}

/** The typed error of a failed call. */
export function typedError(error: unknown, kind: CallKind, doing: string, endpoint: string): QuorateError {
  if (error instanceof QuorateError) return error;
  if (!(error instanceof CallError)) {
    return new QuorateError('internal', `${doing} failed: ${messageOf(error)}`, {
      cause: error,
      outcome: kind === 'read' ? 'not-applied' : 'unknown',
    });
  }
  const meaning = meaningOf(error);
  const outcome = kind === 'read' || error.neverSent ? 'not-applied' : meaning.outcome;
  return new QuorateError(meaning.code, `${doing} at ${endpoint} failed: ${error.details}`, {
    cause: error,
    outcome,
    details: { endpoint, grpcCode: error.grpcCode },
  });
}

/** The typed error of a text alone, as a cancelled watch gives it. */
export function typedReason(reason: string, doing: string): QuorateError {
  const found = meanings.find(([text]) => reason.includes(text));
  return new QuorateError(
    found?.[1].code ?? 'internal',
    `${doing} was refused: ${reason || 'no reason given'}`,
  );
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
