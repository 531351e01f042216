/** From the store's vocabulary to etcd's wire messages. */
import type { KeyEvent, KeyValue, OpReply, PutReply, RangeReply, TxnReply } from '../store/index.js';
import type { EventMessage, HeaderMessage, Int64Value, KeyValueMessage } from './wire.js';

export function keyBytes(key: string): Buffer {
  return Buffer.from(key, 'latin1');
}

/** A lease id as the serializer takes it. Small ones as numbers: parsing digits costs more than the rest of a key. */
export function leaseValue(lease: string): Int64Value {
  return lease.length < 16 ? Number(lease) : lease;
}

export function keyValueMessage(kv: KeyValue): KeyValueMessage {
  return {
    key: keyBytes(kv.key),
    create_revision: kv.createRevision,
    mod_revision: kv.modRevision,
    version: kv.version,
    value: kv.value,
    ...(kv.lease !== '0' && { lease: leaseValue(kv.lease) }),
  };
}

export function eventMessage(event: KeyEvent): EventMessage {
  return {
    type: event.type === 'put' ? 0 : 1,
    kv: keyValueMessage(event.kv),
    ...(event.prevKv && { prev_kv: keyValueMessage(event.prevKv) }),
  };
}

export function rangeMessage(header: HeaderMessage, reply: Omit<RangeReply, 'type'>): object {
  return { header, kvs: reply.kvs.map(keyValueMessage), more: reply.more, count: reply.count };
}

export function putMessage(header: HeaderMessage, reply: Omit<PutReply, 'type'>): object {
  return { header, ...(reply.prevKv && { prev_kv: keyValueMessage(reply.prevKv) }) };
}

export function deleteMessage(
  header: HeaderMessage,
  reply: { readonly deleted: number; readonly prevKvs: readonly KeyValue[] },
): object {
  return { header, deleted: reply.deleted, prev_kvs: reply.prevKvs.map(keyValueMessage) };
}

export function txnMessage(header: HeaderMessage, reply: TxnReply): object {
  const changed = reply.replies.some(changes);
  const walk: Walk = { before: changed ? reply.revision - 1 : reply.revision, wrote: false };
  return {
    header,
    succeeded: reply.succeeded,
    responses: reply.replies.map((inner) => opMessage(inner, walk)),
  };
}

/**
 * etcd heads each inner reply with the revision alone, as it stood at that operation: the one before the
 * transaction until the first write, and the transaction's own from there on.
 */
interface Walk {
  readonly before: number;
  wrote: boolean;
}

function opMessage(reply: OpReply, walk: Walk): object {
  if (reply.type === 'txn') {
    const responses = reply.replies.map((inner) => opMessage(inner, walk));
    return { response_txn: { header: {}, succeeded: reply.succeeded, responses } };
  }
  walk.wrote ||= changes(reply);
  const header = { revision: walk.wrote ? walk.before + 1 : walk.before };
  switch (reply.type) {
    case 'range':
      return { response_range: rangeMessage(header, reply) };
    case 'put':
      return { response_put: putMessage(header, reply) };
    case 'delete':
      return { response_delete_range: deleteMessage(header, reply) };
  }
}

function changes(reply: OpReply): boolean {
  switch (reply.type) {
    case 'range':
      return false;
    case 'put':
      return true;
    case 'delete':
      return reply.deleted > 0;
    case 'txn':
      return reply.replies.some(changes);
  }
}
