/** From the messages of etcd to the words of the store. Numbers are checked where they enter. */
import type {
  IDeleteRangeResponse,
  IKeyValue,
  IPutResponse,
  IRangeResponse,
  IResponseOp,
  ITxnResponse,
} from 'etcd3';
import { QuorateError } from '../errors.js';
import type {
  DeleteReply,
  KeyEvent,
  KeyValue,
  OpReply,
  PutReply,
  RangeReply,
  RangeResult,
  TxnReply,
} from '../store/index.js';

/** The shape that the wire's oneof takes: `response` names the field that is set. */
type TaggedResponseOp = IResponseOp & { readonly response: keyof IResponseOp };

/** One event as it is on the wire. */
export interface RawEvent {
  readonly type: 'Put' | 'Delete';
  readonly kv: IKeyValue;
  readonly prev_kv: IKeyValue | null;
}

export function safeNumber(text: string | number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) {
    throw new QuorateError('internal', `the server sent the number ${text}, which no double holds exactly`, {
      outcome: 'unknown',
    });
  }
  return value;
}

export function decodeKeyValue(kv: IKeyValue): KeyValue {
  return {
    key: kv.key.toString('latin1'),
    value: kv.value,
    createRevision: safeNumber(kv.create_revision),
    modRevision: safeNumber(kv.mod_revision),
    version: safeNumber(kv.version),
    lease: kv.lease,
  };
}

export function decodeRange(response: IRangeResponse): RangeResult {
  return {
    revision: safeNumber(response.header.revision),
    kvs: response.kvs.map(decodeKeyValue),
    count: safeNumber(response.count),
    more: response.more,
  };
}

function rangeReply(response: IRangeResponse): RangeReply {
  return {
    type: 'range',
    kvs: response.kvs.map(decodeKeyValue),
    count: safeNumber(response.count),
    more: response.more,
  };
}

function putReply(response: IPutResponse & { prev_kv: IKeyValue | null }): PutReply {
  return response.prev_kv === null
    ? { type: 'put' }
    : { type: 'put', prevKv: decodeKeyValue(response.prev_kv) };
}

function deleteReply(response: IDeleteRangeResponse): DeleteReply {
  return {
    type: 'delete',
    deleted: safeNumber(response.deleted),
    prevKvs: response.prev_kvs.map(decodeKeyValue),
  };
}

function decodeOp(op: IResponseOp): OpReply {
  switch ((op as TaggedResponseOp).response) {
    case 'response_range':
      return rangeReply(op.response_range);
    case 'response_put':
      return putReply(op.response_put);
    case 'response_delete_range':
      return deleteReply(op.response_delete_range);
    case 'response_txn':
      return {
        type: 'txn',
        succeeded: op.response_txn.succeeded,
        replies: op.response_txn.responses.map(decodeOp),
      };
  }
}

export function decodeTxn(response: ITxnResponse): TxnReply {
  return {
    revision: safeNumber(response.header.revision),
    succeeded: response.succeeded,
    replies: response.responses.map(decodeOp),
  };
}

export function decodeEvent(event: RawEvent): KeyEvent {
  const type = event.type === 'Delete' ? 'delete' : 'put';
  const kv = decodeKeyValue(event.kv);
  return event.prev_kv === null ? { type, kv } : { type, kv, prevKv: decodeKeyValue(event.prev_kv) };
}
