import type {
  IAuthenticateRequest,
  IAuthenticateResponse,
  ICompactionRequest,
  ICompactionResponse,
  ILeaseGrantRequest,
  ILeaseGrantResponse,
  ILeaseKeepAliveRequest,
  ILeaseKeepAliveResponse,
  ILeaseRevokeRequest,
  ILeaseRevokeResponse,
  ILeaseTimeToLiveRequest,
  ILeaseTimeToLiveResponse,
  IRangeRequest,
  IRangeResponse,
  IStatusRequest,
  IStatusResponse,
  ITxnRequest,
  ITxnResponse,
  IWatchRequest,
  IWatchResponse,
  Services,
} from 'etcd3';
import type { RawEvent } from './decode.js';

export type ServiceName = keyof typeof Services;

/** A method of etcd's API, its requests and responses typed. */
export interface Method<Request, Response> {
  readonly service: ServiceName;
  readonly name: string;
  /** Never set; they carry the types. */
  readonly request?: Request;
  readonly response?: Response;
}

/** A watch response as it is on the wire, `prev_kv` absent where there was none. */
export type RawWatchResponse = Omit<IWatchResponse, 'events'> & { readonly events: readonly RawEvent[] };

export const methods = {
  range: { service: 'KV', name: 'Range' } as Method<IRangeRequest, IRangeResponse>,
  txn: { service: 'KV', name: 'Txn' } as Method<ITxnRequest, ITxnResponse>,
  compact: { service: 'KV', name: 'Compact' } as Method<ICompactionRequest, ICompactionResponse>,
  leaseGrant: { service: 'Lease', name: 'LeaseGrant' } as Method<ILeaseGrantRequest, ILeaseGrantResponse>,
  leaseRevoke: { service: 'Lease', name: 'LeaseRevoke' } as Method<ILeaseRevokeRequest, ILeaseRevokeResponse>,
  leaseTimeToLive: { service: 'Lease', name: 'LeaseTimeToLive' } as Method<
    ILeaseTimeToLiveRequest,
    ILeaseTimeToLiveResponse
  >,
  leaseKeepAlive: { service: 'Lease', name: 'LeaseKeepAlive' } as Method<
    ILeaseKeepAliveRequest,
    ILeaseKeepAliveResponse
  >,
  watch: { service: 'Watch', name: 'Watch' } as Method<IWatchRequest, RawWatchResponse>,
  status: { service: 'Maintenance', name: 'Status' } as Method<IStatusRequest, IStatusResponse>,
  authenticate: { service: 'Auth', name: 'Authenticate' } as Method<
    IAuthenticateRequest,
    IAuthenticateResponse
  >,
};
