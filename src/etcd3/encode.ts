/**
 * From the words of the store to the messages of etcd, as bytes. The fields of a message are written last first, as
 * {@link MessageWriter} wants it; their numbers are those of etcd's `rpc.proto`.
 */
import { invalidArgument } from '../errors.js';
import type {
  Compare,
  Key,
  LeaseId,
  Op,
  PutOp,
  RangeOp,
  RangeRequest,
  TxnRequest,
  WatchRequest,
} from '../store/index.js';
import { MessageWriter } from './protobuf/message-writer.js';

const leasePattern = /^(?:0|-?[1-9]\d{0,18})$/;

export function leaseNumber(id: LeaseId): string {
  // Short ones, which are all that we choose ourselves, need no second look.
  if (typeof id === 'string' && leasePattern.test(id) && (id.length < 19 || isInt64(BigInt(id)))) return id;
  throw invalidArgument(`lease id ${String(id)}`, 'a decimal int64, as a string without leading zeros');
}

function isInt64(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value;
}

/** Refuses a revision, limit or version that is not a whole number; etcd would round it, or take it for another. */
export function wholeNumber(value: number, name: string): number {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw invalidArgument(`${name} is ${String(value)}`, 'a whole number from 0 to 2^53 - 1');
  }
  return value;
}

function writeKey(writer: MessageWriter, field: number, key: Key): void {
  if (typeof key !== 'string') throw invalidArgument(`a key of type ${typeof key}`, 'a byte string');
  if (writer.byteString(field, key)) return;
  throw invalidArgument(`key ${JSON.stringify(key)} has characters above U+00FF`, 'a byte string: see keyOf');
}

/** An empty range end that is sent, and not left out, makes etcd 3.4 take all keys from the key on. */
function writeRangeEnd(writer: MessageWriter, field: number, rangeEnd: Key | undefined): void {
  if (rangeEnd) writeKey(writer, field, rangeEnd);
}

function writeValue(writer: MessageWriter, field: number, value: Uint8Array): void {
  if (!(value instanceof Uint8Array))
    throw invalidArgument(`a value of type ${typeof value}`, 'a Uint8Array');
  writer.bytes(field, value);
}

function writeWhole(writer: MessageWriter, field: number, value: number | undefined, name: string): void {
  if (value !== undefined) writer.integer(field, wholeNumber(value, name));
}

const sortTargets = { key: 0, version: 1, create: 2, mod: 3, value: 4 } as const;
const sortOrders = { ascend: 1, descend: 2 } as const;

function writeRange(writer: MessageWriter, op: Omit<RangeOp, 'type'> | RangeRequest): void {
  writeWhole(writer, 13, op.maxCreateRevision, 'maxCreateRevision');
  writeWhole(writer, 12, op.minCreateRevision, 'minCreateRevision');
  writeWhole(writer, 11, op.maxModRevision, 'maxModRevision');
  writeWhole(writer, 10, op.minModRevision, 'minModRevision');
  writer.flag(9, op.countOnly);
  writer.flag(8, op.keysOnly);
  writer.flag(7, 'serializable' in op && op.serializable);
  if (op.sort !== undefined) {
    writer.integer(6, sortTargets[op.sort.target] ?? sortTargets.key);
    writer.integer(5, sortOrders[op.sort.order] ?? sortOrders.ascend);
  }
  writeWhole(writer, 4, op.revision, 'revision');
  writeWhole(writer, 3, op.limit, 'limit');
  writeRangeEnd(writer, 2, op.rangeEnd);
  writeKey(writer, 1, op.key);
}

function writePut(writer: MessageWriter, op: PutOp): void {
  writer.flag(6, op.ignoreLease);
  writer.flag(5, op.ignoreValue);
  writer.flag(4, op.prevKv);
  if (op.lease !== undefined) writer.int64(3, leaseNumber(op.lease));
  writeValue(writer, 2, op.value);
  writeKey(writer, 1, op.key);
}

const compareResults = { equal: 0, greater: 1, less: 2, 'not-equal': 3 } as const;
const compareTargets = { version: 0, create: 1, mod: 2, value: 3, lease: 4 } as const;

function writeCompare(writer: MessageWriter, compare: Compare): void {
  const result = compareResults[compare.result];
  if (result === undefined) {
    throw invalidArgument(`comparison ${String(compare.result)}`, 'equal, not-equal, greater, less');
  }
  writeRangeEnd(writer, 64, compare.rangeEnd);
  switch (compare.target) {
    case 'version':
      writer.integer(4, wholeNumber(compare.operand, 'operand'));
      break;
    case 'create':
      writer.integer(5, wholeNumber(compare.operand, 'operand'));
      break;
    case 'mod':
      writer.integer(6, wholeNumber(compare.operand, 'operand'));
      break;
    case 'value':
      writeValue(writer, 7, compare.operand);
      break;
    case 'lease':
      writer.int64(8, leaseNumber(compare.operand));
      break;
    default:
      throw invalidArgument(
        `compare target ${String((compare as { target?: unknown }).target)}`,
        'version, create, mod, lease, value',
      );
  }
  writeKey(writer, 3, compare.key);
  writer.integer(2, compareTargets[compare.target]);
  writer.integer(1, result);
}

function writeOp(writer: MessageWriter, op: Op): void {
  const from = writer.length;
  switch (op.type) {
    case 'range':
      writeRange(writer, op);
      writer.nested(1, from);
      return;
    case 'put':
      writePut(writer, op);
      writer.nested(2, from);
      return;
    case 'delete':
      writer.flag(3, op.prevKv);
      writeRangeEnd(writer, 2, op.rangeEnd);
      writeKey(writer, 1, op.key);
      writer.nested(3, from);
      return;
    case 'txn':
      writeTxn(writer, op);
      writer.nested(4, from);
      return;
    default:
      throw invalidArgument(
        `operation of type ${String((op as { type?: unknown }).type)}`,
        'range, put, delete, txn',
      );
  }
}

/** The members of a repeated field, the last one first. */
function writeAll<Member>(
  writer: MessageWriter,
  field: number,
  members: readonly Member[],
  write: (writer: MessageWriter, member: Member) => void,
): void {
  for (let index = members.length - 1; index >= 0; index -= 1) {
    const from = writer.length;
    write(writer, members[index] as Member);
    writer.nested(field, from);
  }
}

function writeTxn(writer: MessageWriter, request: TxnRequest): void {
  writeAll(writer, 3, request.failure, writeOp);
  writeAll(writer, 2, request.success, writeOp);
  writeAll(writer, 1, request.compare, writeCompare);
}

export function encodeRange(request: RangeRequest): Buffer {
  const writer = new MessageWriter();
  writeRange(writer, request);
  return writer.finish();
}

export function encodeTxn(request: TxnRequest): Buffer {
  const writer = new MessageWriter();
  writeTxn(writer, request);
  return writer.finish();
}

export function encodeCompaction(revision: number): Buffer {
  const writer = new MessageWriter();
  writeWhole(writer, 1, revision, 'revision');
  return writer.finish();
}

export function encodeGrant(request: { readonly id: LeaseId; readonly ttlSeconds: number }): Buffer {
  const writer = new MessageWriter();
  writer.int64(2, leaseNumber(request.id));
  writeWhole(writer, 1, request.ttlSeconds, 'ttlSeconds');
  return writer.finish();
}

/** A request that names a lease and nothing else. */
export function encodeLease(id: LeaseId): Buffer {
  const writer = new MessageWriter();
  writer.int64(1, leaseNumber(id));
  return writer.finish();
}

export function encodeTimeToLive(request: { readonly id: LeaseId; readonly keys: boolean }): Buffer {
  const writer = new MessageWriter();
  writer.flag(2, request.keys);
  writer.int64(1, leaseNumber(request.id));
  return writer.finish();
}

export function encodeUser(user: { readonly name: string; readonly password: string }): Buffer {
  const writer = new MessageWriter();
  writer.text(2, user.password);
  writer.text(1, user.name);
  return writer.finish();
}

export function encodeNothing(): Buffer {
  return Buffer.alloc(0);
}

/** What is said on a stream of watches. */
export type WatchMessage =
  | { readonly create: WatchRequest; readonly id: number; readonly startRevision: number }
  | { readonly cancel: number }
  | 'progress';

const filterTypes = { put: 0, delete: 1 } as const;

export function checkWatch(request: WatchRequest): void {
  const { rangeEnd } = request;
  if (rangeEnd !== undefined && rangeEnd !== '' && rangeEnd !== '\0' && rangeEnd <= request.key) {
    throw invalidArgument('a watch of an empty range', 'a rangeEnd above the key, or none');
  }
  if (request.fromRevision !== undefined) wholeNumber(request.fromRevision, 'fromRevision');
  if (request.resume !== undefined && request.resume !== 'revision' && request.resume !== 'now') {
    throw invalidArgument(`resume is ${String(request.resume)}`, 'revision, now');
  }
  for (const kind of request.without ?? []) {
    if (kind !== 'put' && kind !== 'delete') throw invalidArgument(`without ${String(kind)}`, 'put, delete');
  }
  // Shows whether its keys can be said at all.
  encodeWatch({ create: request, id: 0, startRevision: 0 });
}

export function encodeWatch(message: WatchMessage): Buffer {
  const writer = new MessageWriter();
  if (message === 'progress') writer.nested(3, 0);
  else if ('cancel' in message) {
    writer.integer(1, message.cancel);
    writer.nested(2, 0);
  } else {
    const { create, id, startRevision } = message;
    writer.integer(7, id);
    writer.flag(6, create.prevKv);
    for (const kind of create.without ?? []) writer.integer(5, filterTypes[kind]);
    writer.flag(4, true); // Told of progress while nothing happens.
    writer.integer(3, startRevision);
    writeRangeEnd(writer, 2, create.rangeEnd);
    writeKey(writer, 1, create.key);
    writer.nested(1, 0);
  }
  return writer.finish();
}
