import type { ServerDuplexStream, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Engine } from '../engine/index.js';
import type { Runtime } from '../runtime/index.js';
import type { LeaseId } from '../store/index.js';
import { unary } from './calls.js';
import type { Member } from './member.js';
import type { OpenStreams } from './open-streams.js';
import { refusalOf, refusals, refuse, streamError } from './refusals.js';
import { keyBytes, leaseValue } from './replies.js';
import { idFrom, numberFrom } from './requests.js';
import type { LeaseGrantRequestMessage, LeaseRequestMessage, LeaseTimeToLiveRequestMessage } from './wire.js';

/** etcd's limit: about 285 years. */
const longestTtlSeconds = 9_000_000_000;

export interface LeaseServiceContext {
  readonly engine: Engine;
  readonly member: Member;
  readonly runtime: Runtime;
  readonly streams: OpenStreams;
  /** Called after a lease was granted or revoked. */
  readonly onChange: () => void;
}

/** etcd's Lease service. */
export function leaseService(context: LeaseServiceContext): UntypedServiceImplementation {
  const { engine, member, runtime, onChange } = context;
  const header = () => member.header(engine.revision);
  return {
    LeaseGrant: unary((message: LeaseGrantRequestMessage) => {
      const ttlSeconds = numberFrom(message.TTL);
      if (ttlSeconds > longestTtlSeconds) refuse(refusals.leaseTtlTooLarge);
      const grant = engine.leaseGrant(idFrom(message.ID), ttlSeconds, runtime.monotonicMs());
      onChange();
      return { header: header(), ID: leaseValue(grant.id), TTL: grant.ttlSeconds };
    }),
    LeaseRevoke: unary((message: LeaseRequestMessage) => {
      engine.leaseRevoke(idFrom(message.ID));
      onChange();
      return { header: header() };
    }),
    LeaseKeepAlive: (call: KeepAliveCall) => keepAlive(call, context),
    LeaseTimeToLive: unary((message: LeaseTimeToLiveRequestMessage) => {
      const id = idFrom(message.ID);
      const state = engine.leaseTimeToLive(id, runtime.monotonicMs(), { keys: message.keys ?? false });
      return {
        header: header(),
        ID: leaseValue(id),
        TTL: state.remainingSeconds,
        grantedTTL: state.grantedTtlSeconds,
        keys: state.keys.map(keyBytes),
      };
    }),
    LeaseLeases: unary(() => ({
      header: header(),
      leases: engine.leases().map((id) => ({ ID: leaseValue(id) })),
    })),
  };
}

type KeepAliveCall = ServerDuplexStream<LeaseRequestMessage, object>;

/**
 * One reply a request, in their order; TTL 0 for a lease that is gone. The header's revision is taken first, so
 * that a lease seen alive is never reported with a revision at which it was already deleted. A client that does
 * not read its replies is not read from either.
 */
function keepAlive(call: KeepAliveCall, { engine, member, runtime, streams }: LeaseServiceContext): void {
  streams.add(call);
  call.on('data', (message: LeaseRequestMessage) => {
    try {
      const header = member.header(engine.revision);
      const id = idFrom(message.ID);
      const ttlSeconds = engine.leaseKeepAlive(id, runtime.monotonicMs());
      if (!call.write({ header, ID: leaseValue(id), TTL: ttlSeconds })) {
        call.pause();
        call.once('drain', () => call.resume());
      }
    } catch (error) {
      call.emit('error', streamError(refusalOf(error)));
    }
  });
  call.on('end', () => call.end());
}

/** A random positive int64. */
export function newLeaseId(runtime: Runtime): LeaseId {
  return (BigInt(`0x${runtime.newId()}`) & 0x7fff_ffff_ffff_ffffn || 1n).toString();
}
