import { type ServiceError, status } from '@grpc/grpc-js';
import { type ErrorCode, isQuorateError, QuorateError } from '../errors.js';

/** A gRPC status with the words that etcd itself uses: clients match on both. */
export interface Refusal {
  readonly code: status;
  readonly details: string;
}

const refusal = (code: status, details: string): Refusal => Object.freeze({ code, details });

/** etcd's own answers (3.4, `rpctypes/error.go`). */
export const refusals = Object.freeze({
  emptyKey: refusal(status.INVALID_ARGUMENT, 'etcdserver: key is not provided'),
  keyNotFound: refusal(status.INVALID_ARGUMENT, 'etcdserver: key not found'),
  valueProvided: refusal(status.INVALID_ARGUMENT, 'etcdserver: value is provided'),
  leaseProvided: refusal(status.INVALID_ARGUMENT, 'etcdserver: lease is provided'),
  tooManyOperations: refusal(status.INVALID_ARGUMENT, 'etcdserver: too many operations in txn request'),
  duplicateKey: refusal(status.INVALID_ARGUMENT, 'etcdserver: duplicate key given in txn request'),
  compacted: refusal(status.OUT_OF_RANGE, 'etcdserver: mvcc: required revision has been compacted'),
  futureRevision: refusal(status.OUT_OF_RANGE, 'etcdserver: mvcc: required revision is a future revision'),
  noSpace: refusal(status.RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded'),
  leaseNotFound: refusal(status.NOT_FOUND, 'etcdserver: requested lease not found'),
  leaseExists: refusal(status.FAILED_PRECONDITION, 'etcdserver: lease already exists'),
  leaseTtlTooLarge: refusal(status.OUT_OF_RANGE, 'etcdserver: too large lease TTL'),
  requestTooLarge: refusal(status.INVALID_ARGUMENT, 'etcdserver: request is too large'),
  watchCanceled: refusal(status.CANCELLED, 'etcdserver: watch canceled'),
  authNotEnabled: refusal(status.FAILED_PRECONDITION, 'etcdserver: authentication is not enabled'),
  stopped: refusal(status.UNAVAILABLE, 'etcdserver: server stopped'),
});

const byCode: Partial<Record<ErrorCode, Refusal>> = {
  compacted: refusals.compacted,
  'future-revision': refusals.futureRevision,
  'lease-not-found': refusals.leaseNotFound,
  'lease-exists': refusals.leaseExists,
  'duplicate-key': refusals.duplicateKey,
  'key-not-found': refusals.keyNotFound,
  'too-many-operations': refusals.tooManyOperations,
  'request-too-large': refusals.requestTooLarge,
  'no-space': refusals.noSpace,
};

/** Thrown while a request is read; carries the answer. Never leaves this module's services. */
export class RefusedError extends QuorateError {
  readonly refusal: Refusal;

  constructor(refused: Refusal) {
    super('invalid-argument', refused.details);
    this.refusal = refused;
  }
}

export function refuse(refused: Refusal): never {
  throw new RefusedError(refused);
}

/** Says that this server does not offer something, rather than answering wrongly. */
export function unimplemented(sentence: string): never {
  throw new RefusedError(refusal(status.UNIMPLEMENTED, `quorate embedded: ${sentence}`));
}

/** The status with which a failed request is answered. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof RefusedError) return error.refusal;
  if (isQuorateError(error)) {
    const known = byCode[error.code];
    if (known !== undefined) return known;
    if (error.code === 'invalid-argument') return refusal(status.INVALID_ARGUMENT, error.message);
    return refusal(status.INTERNAL, `quorate embedded: ${error.message}`);
  }
  return refusal(
    status.INTERNAL,
    `quorate embedded: ${error instanceof Error ? error.message : String(error)}`,
  );
}

/** A refusal in the form in which gRPC takes the end of a stream. */
export function streamError(refused: Refusal): Error & Pick<ServiceError, 'code' | 'details'> {
  return Object.assign(new Error(refused.details), { code: refused.code, details: refused.details });
}
