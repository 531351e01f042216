import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { startServer } from './both-servers.js';
import { bytes, connectRaw, type Message, type RawClient } from './raw-client.js';

const all = { key: bytes('\0'), range_end: bytes('\0') };
const put = (key: string, value: string, more: Message = {}): Message => ({
  key: bytes(key),
  value: bytes(value),
  ...more,
});
/** An empty range end is left out: one that is sent, etcd takes for the end of all keys in some places and for none in others. */
const span = (key: string, end: string): Message => ({
  key: bytes(key),
  ...(end !== '' && { range_end: bytes(end) }),
});
const op = {
  put: (key: string, value: string, more: Message = {}): Message => ({ request_put: put(key, value, more) }),
  range: (key: string, end = '', more: Message = {}): Message => ({
    request_range: { ...span(key, end), ...more },
  }),
  remove: (key: string, end = '', more: Message = {}): Message => ({
    request_delete_range: { ...span(key, end), ...more },
  }),
  txn: (compare: Message[], success: Message[], failure: Message[] = []): Message => ({
    request_txn: { compare, success, failure },
  }),
};
const compare = (key: string, target: string, result: string, operand: Message): Message => ({
  key: bytes(key),
  target,
  result,
  ...operand,
});
const txn = (compares: Message[], success: Message[], failure: Message[] = []): [string, string, Message] => [
  'KV',
  'Txn',
  { compare: compares, success, failure },
];
/** What a compare decides, as one transaction that writes nothing. */
const decides = (...compares: Message[]) => txn(compares, [op.range('yes')], [op.range('no')]);

const far = '9223372036854775807';

const script: [service: string, method: string, request: Message][] = [
  ['KV', 'Range', all],
  ['KV', 'Put', put('a', '1')],
  ['KV', 'Put', put('a', '2', { prev_kv: true })],
  ['KV', 'Put', put('\0\x01\xff', '\xfe\xff', { prev_kv: true })],
  ['KV', 'Put', put('b', '')],
  ['KV', 'Range', all],
  ['KV', 'Range', { ...all, limit: '1' }],
  ['KV', 'Range', { ...all, limit: '-3' }],
  ['KV', 'Range', { ...all, limit: far }],
  ['KV', 'Range', { ...all, count_only: true }],
  ['KV', 'Range', { ...all, keys_only: true, sort_order: 'Descend', sort_target: 'Create' }],
  ['KV', 'Range', { ...all, sort_target: 'Value' }],
  ['KV', 'Range', { ...all, sort_target: 'Mod', limit: '2' }],
  ['KV', 'Range', { ...all, max_mod_revision: '3' }],
  ['KV', 'Range', { ...all, min_mod_revision: '4', max_create_revision: far }],
  ['KV', 'Range', { ...all, min_mod_revision: '-4' }],
  ['KV', 'Range', { ...all, max_mod_revision: '-4' }],
  ['KV', 'Range', { ...all, max_create_revision: '-4', limit: '1' }],
  ['KV', 'Range', { key: bytes('a'), revision: '2' }],
  ['KV', 'Range', { key: bytes('a'), revision: '-2' }],
  ['KV', 'Range', { key: bytes('a'), revision: '1' }],
  ['KV', 'Range', { key: bytes('a'), serializable: true }],
  ['KV', 'Range', { key: bytes('b'), range_end: bytes('a') }],
  ['KV', 'DeleteRange', { key: bytes('missing'), prev_kv: true }],
  ['KV', 'Put', put('kept', 'v')],
  ['KV', 'Put', { key: bytes('kept'), ignore_value: true, prev_kv: true }],
  txn([], [op.range('a'), op.put('t1', 'x', { prev_kv: true }), op.range('t', 'u')]),
  txn([], [op.remove('nothing'), op.range('a'), op.remove('t1', '', { prev_kv: true }), op.range('a')]),
  txn([], [op.range('a')]),
  txn([], []),
  txn(
    [compare('a', 'Version', 'Equal', { version: '2' })],
    [
      op.range('n', 'o'),
      op.txn(
        [compare('n1', 'Create', 'Equal', { create_revision: '0' })],
        [op.put('n1', 'in')],
        [op.range('a')],
      ),
      op.range('n', 'o', { count_only: true }),
      op.txn(
        [compare('n1', 'Create', 'Greater', { create_revision: '0' })],
        [op.put('n2', 'in')],
        [op.range('a')],
      ),
      op.put('n3', 'out'),
    ],
  ),
  txn([compare('a', 'Version', 'Equal', { version: '7' })], [op.put('a', 'no')], [op.range('a')]),
  decides(compare('a', 'Version', 'Greater', { version: '-1' })),
  decides(compare('a', 'Version', 'Equal', { version: '-1' })),
  decides(compare('a', 'Mod', 'NotEqual', { mod_revision: '-1' })),
  decides(compare('a', 'Mod', 'Less', { mod_revision: '-1' })),
  decides(compare('a', 'Create', 'Less', { create_revision: far })),
  decides(compare('a', 'Create', 'Greater', { create_revision: far })),
  decides(compare('missing', 'Create', 'NotEqual', { create_revision: far })),
  decides(compare('missing', 'Create', 'Equal', { create_revision: far })),
  decides(compare('a', 'Value', 'Equal', { value: bytes('2') })),
  decides(compare('a', 'Value', 'Greater', { value: bytes('') })),
  decides(compare('missing', 'Value', 'NotEqual', { value: bytes('x') })),
  decides(compare('b', 'Value', 'Equal', {})),
  decides(compare('a', 'Mod', 'Equal', { version: '3' })),
  decides(compare('a', 'Lease', 'Equal', { lease: '0' })),
  decides({ ...compare('\0', 'Create', 'Greater', { create_revision: '0' }), range_end: bytes('\0') }),
  ['Lease', 'LeaseGrant', { ID: '9007199254740993', TTL: '100' }],
  ['Lease', 'LeaseGrant', { ID: '-8', TTL: '1' }],
  ['Lease', 'LeaseGrant', { ID: '9', TTL: '-5' }],
  ['Lease', 'LeaseGrant', { ID: '10' }],
  ['KV', 'Put', put('leased', 'v', { lease: '9007199254740993' })],
  ['KV', 'Put', put('leased2', 'v', { lease: '9007199254740993' })],
  ['KV', 'Put', { ...put('leased', 'w'), ignore_lease: true, prev_kv: true }],
  decides(compare('leased', 'Lease', 'Equal', { lease: '9007199254740993' })),
  decides(compare('leased', 'Lease', 'Less', { lease: '9007199254740993' })),
  ['KV', 'Range', { key: bytes('leased'), range_end: bytes('\0') }],
  ['Lease', 'LeaseTimeToLive', { ID: '12345', keys: true }],
  ['Lease', 'LeaseRevoke', { ID: '9007199254740993' }],
  ['KV', 'Range', { key: bytes('leased'), range_end: bytes('\0') }],
  ['KV', 'DeleteRange', { key: bytes('n'), range_end: bytes('n3'), prev_kv: true }],
  ['KV', 'Compact', { revision: '6' }],
  ['KV', 'Compact', { revision: '8', physical: true }],
  ['Maintenance', 'HashKV', {}],
  ['KV', 'DeleteRange', all],
  ['KV', 'Range', all],
];

/** Names of the cluster and hashes differ; whether there is a name must not. */
function normal(reply: unknown): unknown {
  if (Array.isArray(reply)) return reply.map(normal);
  if (Buffer.isBuffer(reply)) return reply.toString('latin1');
  if (typeof reply !== 'object' || reply === null) return reply;
  return Object.fromEntries(
    Object.entries(reply).map(([name, value]) =>
      ['cluster_id', 'member_id', 'raft_term', 'hash'].includes(name)
        ? [name, value === '0' || value === 0 ? 'none' : 'some']
        : [name, normal(value)],
    ),
  );
}

describe.skipIf(inject('etcdEndpoint') === '')('replies, field by field', () => {
  const clients: RawClient[] = [];
  const stops: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    for (const kind of ['embedded', 'etcd'] as const) {
      const server = await startServer(kind);
      stops.push(() => server.stop());
      clients.push(connectRaw(server.endpoint));
    }
  });
  afterAll(async () => {
    for (const client of clients) client.close();
    await Promise.all(stops.map((stop) => stop()));
  });

  it('are the same from the embedded server and from etcd', async () => {
    for (const [index, [service, method, request]] of script.entries()) {
      const [ours, etcds] = await Promise.all(
        clients.map((client) =>
          client.call(service, method, request).catch((error: Error) => ({ refused: error.message })),
        ),
      );
      expect(normal(ours), `request ${index}: ${method} ${JSON.stringify(request)}`).toEqual(normal(etcds));
    }
  });
});
