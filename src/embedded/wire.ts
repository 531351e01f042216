/**
 * The messages of etcd's v3 API that this server reads and writes, in the shape that the proto loader gives
 * them: fields by their proto names, enums as numbers, bytes as Buffers, 64-bit integers as {@link Int64} on
 * arrival. A field that the client left out is absent; repeated fields are always there.
 */

/** A 64-bit integer in two halves, since neither ids nor limits need fit a number. */
export interface Int64 {
  readonly low: number;
  readonly high: number;
  readonly unsigned: boolean;
  toNumber(): number;
  toString(): string;
}

/** What the serializer takes for a 64-bit field: a safe integer, decimal digits, or two halves. */
export type Int64Value = number | string | Pick<Int64, 'low' | 'high' | 'unsigned'>;

/** The size of a request on the wire, put there by the deserializer. */
export const wireSize: unique symbol = Symbol('wireSize');

export interface Received {
  readonly [wireSize]?: number;
}

export interface WireRange {
  readonly key?: Buffer;
  readonly range_end?: Buffer;
}

export interface RangeRequestMessage extends WireRange {
  readonly limit?: Int64;
  readonly revision?: Int64;
  readonly sort_order?: number;
  readonly sort_target?: number;
  readonly serializable?: boolean;
  readonly keys_only?: boolean;
  readonly count_only?: boolean;
  readonly min_mod_revision?: Int64;
  readonly max_mod_revision?: Int64;
  readonly min_create_revision?: Int64;
  readonly max_create_revision?: Int64;
}

export interface PutRequestMessage extends Received {
  readonly key?: Buffer;
  readonly value?: Buffer;
  readonly lease?: Int64;
  readonly prev_kv?: boolean;
  readonly ignore_value?: boolean;
  readonly ignore_lease?: boolean;
}

export interface DeleteRangeRequestMessage extends WireRange, Received {
  readonly prev_kv?: boolean;
}

export interface CompareMessage extends WireRange {
  readonly result?: number;
  readonly target?: number;
  readonly version?: Int64;
  readonly create_revision?: Int64;
  readonly mod_revision?: Int64;
  readonly value?: Buffer;
  readonly lease?: Int64;
}

export interface RequestOpMessage {
  readonly request_range?: RangeRequestMessage;
  readonly request_put?: PutRequestMessage;
  readonly request_delete_range?: DeleteRangeRequestMessage;
  readonly request_txn?: TxnRequestMessage;
}

export interface TxnRequestMessage extends Received {
  readonly compare: readonly CompareMessage[];
  readonly success: readonly RequestOpMessage[];
  readonly failure: readonly RequestOpMessage[];
}

export interface RevisionRequestMessage {
  readonly revision?: Int64;
}

export interface LeaseGrantRequestMessage {
  readonly TTL?: Int64;
  readonly ID?: Int64;
}

export interface LeaseRequestMessage {
  readonly ID?: Int64;
}

export interface LeaseTimeToLiveRequestMessage extends LeaseRequestMessage {
  readonly keys?: boolean;
}

export interface WatchCreateMessage extends WireRange {
  readonly start_revision?: Int64;
  readonly progress_notify?: boolean;
  readonly filters: readonly number[];
  readonly prev_kv?: boolean;
  readonly watch_id?: Int64;
  readonly fragment?: boolean;
}

export interface WatchRequestMessage {
  readonly create_request?: WatchCreateMessage;
  readonly cancel_request?: { readonly watch_id?: Int64 };
  readonly progress_request?: object;
}

export interface AlarmRequestMessage {
  readonly action?: number;
  readonly memberID?: Int64;
  readonly alarm?: number;
}

export interface HeaderMessage {
  readonly cluster_id?: Int64Value;
  readonly member_id?: Int64Value;
  readonly revision: number;
  readonly raft_term?: number;
}

export interface KeyValueMessage {
  readonly key: Buffer;
  readonly create_revision?: number;
  readonly mod_revision: number;
  readonly version?: number;
  readonly value?: Uint8Array;
  readonly lease?: Int64Value;
}

export interface EventMessage {
  /** 0 put, 1 delete. */
  readonly type: number;
  readonly kv: KeyValueMessage;
  readonly prev_kv?: KeyValueMessage;
}

export interface WatchResponseMessage {
  readonly header: HeaderMessage;
  readonly watch_id: Int64Value;
  readonly created?: boolean;
  readonly canceled?: boolean;
  readonly compact_revision?: number;
  readonly cancel_reason?: string;
  readonly fragment?: boolean;
  readonly events?: readonly EventMessage[];
}
