/** What the engine refuses because of its state. */
import { QuorateError } from '../errors.js';
import type { Key, LeaseId } from '../store/index.js';

export function futureRevision(revision: number, current: number): QuorateError {
  return new QuorateError('future-revision', `revision ${revision} is above the current one, ${current}`, {
    details: { revision, current },
  });
}

export function compacted(revision: number, compactRevision: number): QuorateError {
  return new QuorateError('compacted', `revision ${revision} has been compacted away`, {
    details: { revision, compactRevision },
  });
}

export function leaseNotFound(id: LeaseId): QuorateError {
  return new QuorateError('lease-not-found', `there is no lease ${id}`, { details: { id } });
}

export function leaseExists(id: LeaseId): QuorateError {
  return new QuorateError('lease-exists', `there is a lease ${id} already`, { details: { id } });
}

/** A put was to keep the value or the lease of a key that is not there. */
export function keyNotFound(key: Key): QuorateError {
  return new QuorateError('key-not-found', `there is no key ${JSON.stringify(key)}`, { details: { key } });
}
