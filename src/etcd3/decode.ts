/**
 * From the messages of etcd, as bytes, to the words of the store. Field numbers are those of etcd's `rpc.proto`;
 * fields that are not known, of later versions of etcd, are passed over. Numbers are checked where they enter.
 */
import type {
  DeleteReply,
  KeyEvent,
  KeyValue,
  LeaseGrant,
  LeaseId,
  LeaseState,
  OpReply,
  PutReply,
  RangeReply,
  RangeResult,
  StoreStatus,
  TxnReply,
} from '../store/index.js';
import { noLease } from '../store/index.js';
import { MessageReader } from './protobuf/message-reader.js';

interface Header {
  revision: number;
  clusterId: string;
}

const noHeader: Readonly<Header> = { revision: 0, clusterId: '0' };
const noValue: Buffer = Buffer.alloc(0);

function readHeader(reader: MessageReader): Header {
  const header = { ...noHeader };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) header.clusterId = reader.uint64();
    else if (field === 3) header.revision = reader.safeInteger();
    else reader.skip();
  }
  return header;
}

/** The revision of a header alone: what most replies are asked for. */
function readRevision(reader: MessageReader): number {
  let revision = 0;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 3) revision = reader.safeInteger();
    else reader.skip();
  }
  return revision;
}

function readKeyValue(reader: MessageReader): KeyValue {
  let key = '';
  let value = noValue;
  let createRevision = 0;
  let modRevision = 0;
  let version = 0;
  let lease = noLease;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) key = reader.byteString();
    else if (field === 2) createRevision = reader.safeInteger();
    else if (field === 3) modRevision = reader.safeInteger();
    else if (field === 4) version = reader.safeInteger();
    else if (field === 5) value = reader.bytes();
    else if (field === 6) lease = reader.int64();
    else reader.skip();
  }
  return { key, value, createRevision, modRevision, version, lease };
}

function readRange(reader: MessageReader): RangeResult {
  let revision = 0;
  const kvs: KeyValue[] = [];
  let count = 0;
  let more = false;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) revision = reader.nested(readRevision);
    else if (field === 2) kvs.push(reader.nested(readKeyValue));
    else if (field === 3) more = reader.flag();
    else if (field === 4) count = reader.safeInteger();
    else reader.skip();
  }
  return { revision, kvs, count, more };
}

function readRangeReply(reader: MessageReader): RangeReply {
  const { kvs, count, more } = readRange(reader);
  return { type: 'range', kvs, count, more };
}

function readPutReply(reader: MessageReader): PutReply {
  let reply: PutReply = { type: 'put' };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 2) reply = { type: 'put', prevKv: reader.nested(readKeyValue) };
    else reader.skip();
  }
  return reply;
}

function readDeleteReply(reader: MessageReader): DeleteReply {
  let deleted = 0;
  const prevKvs: KeyValue[] = [];
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 2) deleted = reader.safeInteger();
    else if (field === 3) prevKvs.push(reader.nested(readKeyValue));
    else reader.skip();
  }
  return { type: 'delete', deleted, prevKvs };
}

function readNestedReply(reader: MessageReader): OpReply {
  const { succeeded, replies } = readTxn(reader);
  return { type: 'txn', succeeded, replies };
}

function readOpReply(reader: MessageReader): OpReply {
  let reply: OpReply | undefined;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) reply = reader.nested(readRangeReply);
    else if (field === 2) reply = reader.nested(readPutReply);
    else if (field === 3) reply = reader.nested(readDeleteReply);
    else if (field === 4) reply = reader.nested(readNestedReply);
    else reader.skip();
  }
  if (reply === undefined) throw new Error('an operation of the transaction has no reply that is known');
  return reply;
}

function readTxn(reader: MessageReader): TxnReply {
  let revision = 0;
  let succeeded = false;
  const replies: OpReply[] = [];
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) revision = reader.nested(readRevision);
    else if (field === 2) succeeded = reader.flag();
    else if (field === 3) replies.push(reader.nested(readOpReply));
    else reader.skip();
  }
  return { revision, succeeded, replies };
}

export function decodeRange(message: Buffer): RangeResult {
  return readRange(new MessageReader(message));
}

export function decodeTxn(message: Buffer): TxnReply {
  return readTxn(new MessageReader(message));
}

export function decodeNothing(): void {}

/** Of a lease that was granted or kept alive. */
export function decodeGrant(message: Buffer): LeaseGrant {
  const reader = new MessageReader(message);
  let id: LeaseId = noLease;
  let ttlSeconds = 0;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 2) id = reader.int64();
    else if (field === 3) ttlSeconds = reader.safeInteger();
    else reader.skip();
  }
  return { id, ttlSeconds };
}

export function decodeTimeToLive(message: Buffer): LeaseState {
  const reader = new MessageReader(message);
  let id: LeaseId = noLease;
  let remainingSeconds = 0;
  let grantedTtlSeconds = 0;
  const keys: string[] = [];
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 2) id = reader.int64();
    else if (field === 3) remainingSeconds = reader.safeInteger();
    else if (field === 4) grantedTtlSeconds = reader.safeInteger();
    else if (field === 5) keys.push(reader.byteString());
    else reader.skip();
  }
  return { id, grantedTtlSeconds, remainingSeconds, keys };
}

export function decodeStatus(message: Buffer): StoreStatus {
  const reader = new MessageReader(message);
  let header: Readonly<Header> = noHeader;
  let version = '';
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) header = reader.nested(readHeader);
    else if (field === 2) version = reader.text();
    else reader.skip();
  }
  return { version, ...header };
}

export function decodeToken(message: Buffer): string {
  const reader = new MessageReader(message);
  let token = '';
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 2) token = reader.text();
    else reader.skip();
  }
  return token;
}

/** What comes on a stream of watches. */
export interface WatchResponse {
  /** The store's, as of the header. */
  readonly revision: number;
  readonly watchId: number;
  readonly created: boolean;
  readonly canceled: boolean;
  /** 0 where compaction is not the reason. */
  readonly compactRevision: number;
  readonly cancelReason: string;
  readonly events: readonly KeyEvent[];
}

const deletion = 1;

function readEvent(reader: MessageReader): KeyEvent {
  let type: KeyEvent['type'] = 'put';
  let kv: KeyValue | undefined;
  let prevKv: KeyValue | undefined;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) type = reader.safeInteger() === deletion ? 'delete' : 'put';
    else if (field === 2) kv = reader.nested(readKeyValue);
    else if (field === 3) prevKv = reader.nested(readKeyValue);
    else reader.skip();
  }
  if (kv === undefined) throw new Error('an event has no key');
  return prevKv === undefined ? { type, kv } : { type, kv, prevKv };
}

export function decodeWatch(message: Buffer): WatchResponse {
  const reader = new MessageReader(message);
  let revision = 0;
  let watchId = 0;
  let created = false;
  let canceled = false;
  let compactRevision = 0;
  let cancelReason = '';
  const events: KeyEvent[] = [];
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) revision = reader.nested(readRevision);
    else if (field === 2) watchId = reader.safeInteger();
    else if (field === 3) created = reader.flag();
    else if (field === 4) canceled = reader.flag();
    else if (field === 5) compactRevision = reader.safeInteger();
    else if (field === 6) cancelReason = reader.text();
    else if (field === 11) events.push(reader.nested(readEvent));
    else reader.skip();
  }
  return { revision, watchId, created, canceled, compactRevision, cancelReason, events };
}
