/** What the adapter writes and reads, beside what protobufjs makes of etcd's own definition of it. */
import { createRequire } from 'node:module';
import { loadSync } from '@grpc/proto-loader';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeTxn, decodeWatch } from '../../src/etcd3/decode.js';
import { encodeWatch } from '../../src/etcd3/encode.js';
import { methods } from '../../src/etcd3/methods.js';
import { MessageReader } from '../../src/etcd3/protobuf/message-reader.js';
import { MessageWriter } from '../../src/etcd3/protobuf/message-writer.js';
import type {
  Compare,
  KeyValue,
  Op,
  OpReply,
  RangeOp,
  TxnReply,
  TxnRequest,
  WatchRequest,
} from '../../src/store/index.js';
import { propertyRuns } from '../support/property-runs.js';

interface Codec {
  requestSerialize(message: object): Buffer;
  requestDeserialize(bytes: Buffer): Record<string, unknown>;
  responseSerialize(message: object): Buffer;
}

const definition = loadSync(createRequire(import.meta.url).resolve('etcd3/proto/rpc.proto'), {
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  arrays: true,
});

function official(path: string): Codec {
  const [, service = '', method = ''] = path.split('/');
  const codec = (definition[service] as unknown as Record<string, Codec> | undefined)?.[method];
  if (codec === undefined) throw new Error(`etcd has no ${path}`);
  return codec;
}

const bytesAs = (text: string) => Buffer.from(text, 'latin1');
const key = fc
  .uint8Array({ minLength: 1, maxLength: 300 })
  .map((bytes) => Buffer.from(bytes).toString('latin1'));
const value = fc.uint8Array({ maxLength: 2_000 }).map((bytes) => Buffer.from(bytes));
const whole = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  fc.integer({ min: 0, max: 53 }).map((bits) => 2 ** bits - 1),
);
const int64 = fc
  .oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.integer({ min: 0, max: 63 }).map((bits) => 2n ** BigInt(bits) - 1n),
    fc.integer({ min: 0, max: 63 }).map((bits) => -(2n ** BigInt(bits))),
  )
  .map(String);
const flags = <Name extends string>(...names: Name[]) =>
  fc.record(Object.fromEntries(names.map((name) => [name, fc.constant(true as const)])), {
    requiredKeys: [],
  }) as fc.Arbitrary<{ [name in Name]?: true }>;
const keyRange = fc.record({ key, rangeEnd: key }, { requiredKeys: ['key'] });

const rangeOp: fc.Arbitrary<Omit<RangeOp, 'type'>> = fc
  .tuple(
    keyRange,
    fc.record(
      {
        limit: whole,
        revision: whole,
        minModRevision: whole,
        maxModRevision: whole,
        minCreateRevision: whole,
        maxCreateRevision: whole,
        sort: fc.record({
          target: fc.constantFrom('key', 'version', 'create', 'mod', 'value'),
          order: fc.constantFrom('ascend', 'descend'),
        }),
      },
      { requiredKeys: [] },
    ),
    flags('keysOnly', 'countOnly'),
  )
  .map(([range, rest, set]) => ({ ...range, ...rest, ...set }));

const compareOp: fc.Arbitrary<Compare> = fc
  .tuple(
    keyRange,
    fc.constantFrom('equal', 'not-equal', 'greater', 'less'),
    fc.oneof(
      fc.record({ target: fc.constantFrom('version', 'create', 'mod'), operand: whole }),
      fc.record({ target: fc.constant('lease' as const), operand: int64 }),
      fc.record({ target: fc.constant('value' as const), operand: value }),
    ),
  )
  .map(([range, result, subject]) => ({ ...range, result, ...subject }));

const { txn } = fc.letrec<{ txn: TxnRequest; op: Op }>((tie) => ({
  txn: fc.record({
    compare: fc.array(compareOp, { maxLength: 3 }),
    success: fc.array(tie('op'), { maxLength: 4 }),
    failure: fc.array(tie('op'), { maxLength: 4 }),
  }),
  op: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    rangeOp.map((op) => ({ type: 'range' as const, ...op })),
    fc
      .tuple(
        fc.record({ key, value, lease: int64 }, { requiredKeys: ['key', 'value'] }),
        flags('prevKv', 'ignoreValue', 'ignoreLease'),
      )
      .map(([op, set]) => ({ type: 'put' as const, ...op, ...set })),
    fc.tuple(keyRange, flags('prevKv')).map(([op, set]) => ({ type: 'delete' as const, ...op, ...set })),
    tie('txn').map((request) => ({ type: 'txn' as const, ...request })),
  ),
}));

const upper = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
const results = { equal: 'Equal', 'not-equal': 'NotEqual', greater: 'Greater', less: 'Less' } as const;
const rangeFields = ({ key: first, rangeEnd = '' }: { key: string; rangeEnd?: string }) => ({
  key: bytesAs(first),
  range_end: bytesAs(rangeEnd),
});

/** The request as protobufjs reads it, defaults and all. */
function wireRange(op: Omit<RangeOp, 'type'> & { serializable?: boolean }): object {
  return {
    ...rangeFields(op),
    limit: String(op.limit ?? 0),
    revision: String(op.revision ?? 0),
    sort_order: op.sort === undefined ? 'None' : upper(op.sort.order),
    sort_target: op.sort === undefined ? 'Key' : upper(op.sort.target),
    serializable: op.serializable ?? false,
    keys_only: op.keysOnly ?? false,
    count_only: op.countOnly ?? false,
    min_mod_revision: String(op.minModRevision ?? 0),
    max_mod_revision: String(op.maxModRevision ?? 0),
    min_create_revision: String(op.minCreateRevision ?? 0),
    max_create_revision: String(op.maxCreateRevision ?? 0),
  };
}

function wireCompare(compare: Compare): object {
  const operands = {
    version: { version: String(compare.operand) },
    create: { create_revision: String(compare.operand) },
    mod: { mod_revision: String(compare.operand) },
    lease: { lease: String(compare.operand) },
    value: { value: compare.operand },
  };
  return {
    ...rangeFields(compare),
    result: results[compare.result],
    target: upper(compare.target),
    ...operands[compare.target],
  };
}

function wireOp(op: Op): object {
  if (op.type === 'range') return { request_range: wireRange(op) };
  if (op.type === 'txn') return { request_txn: wireTxn(op) };
  if (op.type === 'delete') {
    return { request_delete_range: { ...rangeFields(op), prev_kv: op.prevKv ?? false } };
  }
  return {
    request_put: {
      key: bytesAs(op.key),
      value: op.value,
      lease: op.lease ?? '0',
      prev_kv: op.prevKv ?? false,
      ignore_value: op.ignoreValue ?? false,
      ignore_lease: op.ignoreLease ?? false,
    },
  };
}

function wireTxn(request: TxnRequest): object {
  return {
    compare: request.compare.map(wireCompare),
    success: request.success.map(wireOp),
    failure: request.failure.map(wireOp),
  };
}

const keyValue: fc.Arbitrary<KeyValue> = fc.record({
  key,
  value,
  createRevision: whole,
  modRevision: whole,
  version: whole,
  lease: int64,
});
const { reply } = fc.letrec<{ reply: TxnReply; op: OpReply }>((tie) => ({
  reply: fc.record({
    revision: whole,
    succeeded: fc.boolean(),
    replies: fc.array(tie('op'), { maxLength: 4 }),
  }),
  op: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({
      type: fc.constant('range' as const),
      kvs: fc.array(keyValue, { maxLength: 3 }),
      count: whole,
      more: fc.boolean(),
    }),
    fc.record({ type: fc.constant('put' as const), prevKv: keyValue }, { requiredKeys: ['type'] }),
    fc.record({
      type: fc.constant('delete' as const),
      deleted: whole,
      prevKvs: fc.array(keyValue, { maxLength: 3 }),
    }),
    tie('reply').map(({ succeeded, replies }) => ({ type: 'txn' as const, succeeded, replies })),
  ),
}));

const wireHeader = (revision: number) => ({ cluster_id: '18446744073709551615', revision: String(revision) });
const wireKv = (kv: KeyValue) => ({
  key: bytesAs(kv.key),
  value: kv.value,
  create_revision: String(kv.createRevision),
  mod_revision: String(kv.modRevision),
  version: String(kv.version),
  lease: kv.lease,
});

function wireReply(op: OpReply): object {
  if (op.type === 'range') {
    return { response_range: { kvs: op.kvs.map(wireKv), count: String(op.count), more: op.more } };
  }
  if (op.type === 'put')
    return { response_put: op.prevKv === undefined ? {} : { prev_kv: wireKv(op.prevKv) } };
  if (op.type === 'delete') {
    return { response_delete_range: { deleted: String(op.deleted), prev_kvs: op.prevKvs.map(wireKv) } };
  }
  return { response_txn: { succeeded: op.succeeded, responses: op.replies.map(wireReply) } };
}

/** Oneofs as what they hold; protobufjs names the member that is set besides. */
function plain(message: unknown): unknown {
  return JSON.parse(
    JSON.stringify(message, (name, field: unknown) =>
      ['request', 'target_union', 'request_union'].includes(name) ? undefined : field,
    ),
  );
}

describe('messages to etcd', () => {
  it('transactions say what etcd’s definition reads', () => {
    const codec = official(methods.txn.path);
    fc.assert(
      fc.property(txn, (request) => {
        const read = codec.requestDeserialize(methods.txn.encode(request));
        expect(plain(read)).toEqual(plain(wireTxn(request)));
      }),
      propertyRuns(300),
    );
  });

  it('reads, leases, users and compactions too', () => {
    const read = (path: string, bytes: Buffer) => plain(official(path).requestDeserialize(bytes));
    fc.assert(
      fc.property(
        rangeOp,
        fc.boolean(),
        whole,
        int64,
        fc.string(),
        (range, serializable, number, id, text) => {
          const request = { ...range, serializable };
          expect(read(methods.range.path, methods.range.encode(request))).toEqual(plain(wireRange(request)));
          expect(read(methods.compact.path, methods.compact.encode(number))).toMatchObject({
            revision: String(number),
          });
          const grant = methods.leaseGrant.encode({ id, ttlSeconds: number });
          expect(read(methods.leaseGrant.path, grant)).toEqual({ ID: id, TTL: String(number) });
          for (const { path, encode } of [methods.leaseRevoke, methods.leaseKeepAlive]) {
            expect(read(path, encode(id))).toEqual({ ID: id });
          }
          const asked = { id, keys: serializable };
          expect(read(methods.leaseTimeToLive.path, methods.leaseTimeToLive.encode(asked))).toEqual({
            ID: id,
            keys: serializable,
          });
          const user = { name: text, password: `${text}!` };
          expect(read(methods.authenticate.path, methods.authenticate.encode(user))).toEqual(plain(user));
        },
      ),
      propertyRuns(100),
    );
  });

  it('watches too', () => {
    const codec = official(methods.watch.path);
    const kinds = fc.constantFrom([], ['put'] as const, ['delete'] as const, ['put', 'delete'] as const);
    fc.assert(
      fc.property(
        keyRange,
        kinds,
        flags('prevKv'),
        whole,
        whole,
        (range, without, set, id, startRevision) => {
          const create: WatchRequest = { ...range, without, ...set };
          const read = codec.requestDeserialize(encodeWatch({ create, id, startRevision }));
          const { filters, ...fields } = (plain(read) as { create_request: { filters: string[] } })
            .create_request;
          expect(filters.sort()).toEqual(without.map((kind) => `No${kind}`).sort());
          expect(fields).toEqual(
            plain({
              ...rangeFields(create),
              start_revision: String(startRevision),
              progress_notify: true,
              prev_kv: create.prevKv ?? false,
              watch_id: String(id),
              fragment: false,
            }),
          );
          expect(plain(codec.requestDeserialize(encodeWatch({ cancel: id })))).toEqual({
            cancel_request: { watch_id: String(id) },
          });
        },
      ),
      propertyRuns(100),
    );
    expect(plain(codec.requestDeserialize(encodeWatch('progress')))).toEqual({ progress_request: {} });
  });
});

describe('messages of etcd', () => {
  it('replies to transactions are read as etcd’s definition writes them', () => {
    const codec = official(methods.txn.path);
    fc.assert(
      fc.property(reply, (expected) => {
        const { revision, succeeded, replies } = expected;
        const message = { header: wireHeader(revision), succeeded, responses: replies.map(wireReply) };
        expect(decodeTxn(codec.responseSerialize(message))).toEqual(expected);
      }),
      propertyRuns(300),
    );
  });

  it('events too', () => {
    const codec = official(methods.watch.path);
    const event = fc.record(
      { type: fc.constantFrom('put', 'delete'), kv: keyValue, prevKv: keyValue },
      { requiredKeys: ['type', 'kv'] },
    );
    const response = fc.record({
      revision: whole,
      watchId: whole,
      created: fc.boolean(),
      canceled: fc.boolean(),
      compactRevision: whole,
      cancelReason: fc.string({ unit: 'grapheme' }),
      events: fc.array(event, { maxLength: 4 }),
    });
    fc.assert(
      fc.property(response, (expected) => {
        const message = {
          header: wireHeader(expected.revision),
          watch_id: String(expected.watchId),
          created: expected.created,
          canceled: expected.canceled,
          compact_revision: String(expected.compactRevision),
          cancel_reason: expected.cancelReason,
          events: expected.events.map(({ type, kv, prevKv }) => ({
            type: upper(type),
            kv: wireKv(kv),
            ...(prevKv === undefined ? {} : { prev_kv: wireKv(prevKv) }),
          })),
        };
        expect(decodeWatch(codec.responseSerialize(message))).toEqual(expected);
      }),
      propertyRuns(150),
    );
  });

  it('reads, leases, tokens and the status too', () => {
    const write = ({ path }: { path: string }, message: object) => official(path).responseSerialize(message);
    fc.assert(
      fc.property(
        fc.array(keyValue, { maxLength: 4 }),
        whole,
        int64,
        fc.boolean(),
        (kvs, number, id, more) => {
          const range = { header: wireHeader(number), kvs: kvs.map(wireKv), count: String(number), more };
          expect(methods.range.decode(write(methods.range, range))).toEqual({
            ...{ revision: number, kvs, count: number, more },
          });
          const grant = write(methods.leaseGrant, { header: wireHeader(1), ID: id, TTL: String(number) });
          expect(methods.leaseGrant.decode(grant)).toEqual({ id, ttlSeconds: number });
          const state = {
            ID: id,
            TTL: '-1',
            grantedTTL: String(number),
            keys: kvs.map((kv) => bytesAs(kv.key)),
          };
          expect(methods.leaseTimeToLive.decode(write(methods.leaseTimeToLive, state))).toEqual({
            ...{ id, remainingSeconds: -1, grantedTtlSeconds: number },
            keys: kvs.map((kv) => kv.key),
          });
        },
      ),
      propertyRuns(100),
    );
    const status = { header: wireHeader(12), version: '3.6.1', errors: ['x'], dbSize: '5', isLearner: true };
    expect(methods.status.decode(write(methods.status, status))).toEqual({
      ...{ version: '3.6.1', revision: 12, clusterId: '18446744073709551615' },
    });
    expect(methods.authenticate.decode(write(methods.authenticate, { token: 'simple.7' }))).toBe('simple.7');
  });

  it('a value that is kept keeps nothing else of its message alive', () => {
    const kvs = [{ key: bytesAs('k'), value: Buffer.from('small') }, { value: Buffer.alloc(1_000_000) }];
    const message = official(methods.range.path).responseSerialize({ kvs });
    const [first] = methods.range.decode(message).kvs;
    expect(first?.value.buffer).not.toBe(message.buffer);
    message.fill(0);
    expect(Buffer.from(first?.value ?? []).toString()).toBe('small');
  });

  it('what is cut short or no message at all is refused, typed, and never read beyond its end', () => {
    const whole = official(methods.txn.path).responseSerialize({
      header: wireHeader(300),
      responses: [{ response_range: { kvs: [wireKv({ ...none, key: 'abc', lease: '-5' })] } }],
    });
    let refused = 0;
    for (let length = 0; length < whole.length; length += 1) {
      try {
        decodeTxn(Buffer.from(whole.subarray(0, length)));
      } catch (error) {
        expect(error).toMatchObject({ code: 'internal', outcome: 'unknown' });
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(whole.length / 2);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (noise) => {
        try {
          decodeWatch(Buffer.from(noise));
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
      propertyRuns(500),
    );
  });
});

const none: KeyValue = {
  key: '',
  value: Buffer.alloc(0),
  createRevision: 0,
  modRevision: 0,
  version: 0,
  lease: '0',
};

describe('fields that are not known', () => {
  it('are passed over, whatever their type', () => {
    const writer = new MessageWriter();
    writer.integer(3, 42);
    writer.text(900, 'new in a later version');
    writer.int64(901, '-1');
    const known = writer.finish();
    // Eight and four bytes of a fixed width, and then what is known.
    const message = Buffer.concat([
      Buffer.from([0x49]),
      Buffer.alloc(8, 1),
      Buffer.from([0x4d, 1, 1, 1, 1]),
      known,
    ]);
    const reader = new MessageReader(message);
    const fields: number[] = [];
    let value = 0;
    for (let field = reader.next(); field !== 0; field = reader.next()) {
      fields.push(field);
      if (field === 3) value = reader.safeInteger();
      else reader.skip();
    }
    expect([fields, value]).toEqual([[9, 9, 901, 900, 3], 42]);
  });
});
