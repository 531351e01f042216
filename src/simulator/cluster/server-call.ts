import type { Engine } from '../../engine/index.js';
import { isQuorateError, QuorateError } from '../../errors.js';
import type { Member } from './member.js';

export type ServerResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: QuorateError };

/**
 * How a request travels through the cluster: `write` by a commit of the quorum, `read` by asking the leader, `local` from
 * what the member itself has applied, `renewal` by the leader alone.
 */
export type ServerCallKind = 'write' | 'read' | 'local' | 'renewal';

/** A request that has arrived at a member. */
export interface ServerCall<T = unknown> {
  readonly kind: ServerCallKind;
  /** It may put keys or leases, which a store without space refuses, sooner or later. */
  readonly takesSpace: boolean;
  readonly apply: (engine: Engine, leaseNowMs: number, member: Member) => T;
  /** What a member answers that believes to lead and does not, to a renewal. */
  readonly stale?: () => T;
  /** Hands the reply to the network. */
  readonly reply: (result: ServerResult<T>) => void;
  /** Nobody waits for the reply any more. */
  readonly isForgotten: () => boolean;
}

export function resultOf<T>(apply: () => T): ServerResult<T> {
  try {
    return { ok: true, value: apply() };
  } catch (error) {
    if (isQuorateError(error)) return { ok: false, error };
    throw error;
  }
}

export function refusal(error: QuorateError): ServerResult<never> {
  return { ok: false, error };
}

export function timedOut(kind: ServerCallKind): ServerResult<never> {
  const outcome = kind === 'write' ? 'unknown' : 'not-applied';
  return refusal(new QuorateError('timeout', 'etcdserver: request timed out', { outcome }));
}

export function leaderChanged(kind: ServerCallKind): ServerResult<never> {
  const outcome = kind === 'write' ? 'unknown' : 'not-applied';
  return refusal(new QuorateError('unavailable', 'etcdserver: leader changed', { outcome }));
}

export function noSpace(): ServerResult<never> {
  return refusal(
    new QuorateError('no-space', 'etcdserver: mvcc: database space exceeded', { outcome: 'unknown' }),
  );
}
