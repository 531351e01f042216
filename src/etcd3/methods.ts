import type {
  LeaseGrant,
  LeaseId,
  LeaseState,
  RangeRequest,
  RangeResult,
  StoreStatus,
  TxnReply,
  TxnRequest,
} from '../store/index.js';
import * as from from './decode.js';
import * as to from './encode.js';

/** A method of etcd's API: where it is, how its requests are written and its responses read. */
export interface Method<Request, Response> {
  readonly path: string;
  readonly encode: (request: Request) => Buffer;
  readonly decode: (message: Buffer) => Response;
}

interface Methods {
  readonly range: Method<RangeRequest, RangeResult>;
  readonly txn: Method<TxnRequest, TxnReply>;
  readonly compact: Method<number, void>;
  readonly leaseGrant: Method<{ readonly id: LeaseId; readonly ttlSeconds: number }, LeaseGrant>;
  readonly leaseRevoke: Method<LeaseId, void>;
  readonly leaseTimeToLive: Method<{ readonly id: LeaseId; readonly keys: boolean }, LeaseState>;
  readonly leaseKeepAlive: Method<LeaseId, LeaseGrant>;
  readonly watch: Method<to.WatchMessage, from.WatchResponse>;
  readonly status: Method<void, StoreStatus>;
  readonly authenticate: Method<{ readonly name: string; readonly password: string }, string>;
}

const kv = '/etcdserverpb.KV/';
const lease = '/etcdserverpb.Lease/';

export const methods: Methods = {
  range: { path: `${kv}Range`, encode: to.encodeRange, decode: from.decodeRange },
  txn: { path: `${kv}Txn`, encode: to.encodeTxn, decode: from.decodeTxn },
  compact: { path: `${kv}Compact`, encode: to.encodeCompaction, decode: from.decodeNothing },
  leaseGrant: { path: `${lease}LeaseGrant`, encode: to.encodeGrant, decode: from.decodeGrant },
  leaseRevoke: { path: `${lease}LeaseRevoke`, encode: to.encodeLease, decode: from.decodeNothing },
  leaseTimeToLive: {
    path: `${lease}LeaseTimeToLive`,
    encode: to.encodeTimeToLive,
    decode: from.decodeTimeToLive,
  },
  leaseKeepAlive: { path: `${lease}LeaseKeepAlive`, encode: to.encodeLease, decode: from.decodeGrant },
  watch: { path: '/etcdserverpb.Watch/Watch', encode: to.encodeWatch, decode: from.decodeWatch },
  status: {
    path: '/etcdserverpb.Maintenance/Status',
    encode: to.encodeNothing,
    decode: from.decodeStatus,
  },
  authenticate: {
    path: '/etcdserverpb.Auth/Authenticate',
    encode: to.encodeUser,
    decode: from.decodeToken,
  },
};
