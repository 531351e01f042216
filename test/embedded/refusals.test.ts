import { status } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { describeBoth } from './both-servers.js';
import { bytes, type Message, type RawClient } from './raw-client.js';

const put = (key: string, value = '', more: Message = {}): Message => ({
  request_put: { key: bytes(key), value: bytes(value), ...more },
});
const remove = (key: string, end = ''): Message => ({
  request_delete_range: { key: bytes(key), range_end: bytes(end) },
});
const read = (key: string, more: Message = {}): Message => ({ request_range: { key: bytes(key), ...more } });
const txn = (success: Message[], failure: Message[] = [], compare: Message[] = []): Message => ({
  success,
  failure,
  compare,
});
const nested = (request: Message): Message => ({ request_txn: request });
const times = (count: number, op: (index: number) => Message): Message[] =>
  Array.from({ length: count }, (_, index) => op(index));

const { INVALID_ARGUMENT, OUT_OF_RANGE, NOT_FOUND, FAILED_PRECONDITION } = status;
const emptyKey = 'etcdserver: key is not provided';
const tooMany = 'etcdserver: too many operations in txn request';
const duplicate = 'etcdserver: duplicate key given in txn request';
const compacted = 'etcdserver: mvcc: required revision has been compacted';
const future = 'etcdserver: mvcc: required revision is a future revision';
const noLease = 'etcdserver: requested lease not found';
const tooLarge = 'etcdserver: request is too large';

type Case = [what: string, service: string, method: string, request: Message, code: status, details: string];

const cases: Case[] = [
  ['range without key', 'KV', 'Range', {}, INVALID_ARGUMENT, emptyKey],
  ['put without key', 'KV', 'Put', { value: bytes('x') }, INVALID_ARGUMENT, emptyKey],
  ['delete without key', 'KV', 'DeleteRange', { range_end: bytes('x') }, INVALID_ARGUMENT, emptyKey],
  ['compare without key', 'KV', 'Txn', txn([], [], [{ target: 'Version' }]), INVALID_ARGUMENT, emptyKey],
  ['inner put without key', 'KV', 'Txn', txn([nested(txn([put('')]))]), INVALID_ARGUMENT, emptyKey],
  ['operation that is none', 'KV', 'Txn', txn([{}]), INVALID_ARGUMENT, 'etcdserver: key not found'],
  [
    'put of a value to be ignored',
    'KV',
    'Put',
    { key: bytes('a'), value: bytes('x'), ignore_value: true },
    INVALID_ARGUMENT,
    'etcdserver: value is provided',
  ],
  [
    'put of a lease to be ignored',
    'KV',
    'Put',
    { key: bytes('a'), lease: '5', ignore_lease: true },
    INVALID_ARGUMENT,
    'etcdserver: lease is provided',
  ],
  [
    'keeping the value of a missing key',
    'KV',
    'Put',
    { key: bytes('missing'), ignore_value: true },
    INVALID_ARGUMENT,
    'etcdserver: key not found',
  ],
  ['put with a missing lease', 'KV', 'Put', { key: bytes('a'), lease: '77' }, NOT_FOUND, noLease],
  ['put with a negative lease', 'KV', 'Put', { key: bytes('a'), lease: '-77' }, NOT_FOUND, noLease],
  ['inner put with a missing lease', 'KV', 'Txn', txn([put('a', '', { lease: '77' })]), NOT_FOUND, noLease],
  ['129 operations', 'KV', 'Txn', txn(times(129, (i) => put(`k${i}`))), INVALID_ARGUMENT, tooMany],
  [
    '129 operations along a path',
    'KV',
    'Txn',
    txn([nested(txn(times(128, (i) => put(`k${i}`))))]),
    INVALID_ARGUMENT,
    tooMany,
  ],
  ['129 operations, one without key', 'KV', 'Txn', txn(times(129, () => put(''))), INVALID_ARGUMENT, tooMany],
  ['two puts of a key', 'KV', 'Txn', txn([put('a'), put('a')]), INVALID_ARGUMENT, duplicate],
  ['put and delete of a key', 'KV', 'Txn', txn([put('b'), remove('a', 'c')]), INVALID_ARGUMENT, duplicate],
  [
    'puts of a key in untaken branches',
    'KV',
    'Txn',
    txn([put('a'), nested(txn([], [put('a')]))]),
    INVALID_ARGUMENT,
    duplicate,
  ],
  ['a revision to come', 'KV', 'Range', { key: bytes('a'), revision: '1000' }, OUT_OF_RANGE, future],
  [
    'a revision beyond 2^53',
    'KV',
    'Range',
    { key: bytes('a'), revision: '9223372036854775807' },
    OUT_OF_RANGE,
    future,
  ],
  ['a compacted revision', 'KV', 'Range', { key: bytes('a'), revision: '2' }, OUT_OF_RANGE, compacted],
  ['a compacted revision inside', 'KV', 'Txn', txn([read('a', { revision: '2' })]), OUT_OF_RANGE, compacted],
  ['a negative revision inside', 'KV', 'Txn', txn([read('a', { revision: '-7' })]), OUT_OF_RANGE, compacted],
  ['compaction of what is gone', 'KV', 'Compact', { revision: '2' }, OUT_OF_RANGE, compacted],
  ['compaction of the future', 'KV', 'Compact', { revision: '1000' }, OUT_OF_RANGE, future],
  ['revoking a missing lease', 'Lease', 'LeaseRevoke', { ID: '77' }, NOT_FOUND, noLease],
  [
    'a lease that exists',
    'Lease',
    'LeaseGrant',
    { ID: '5', TTL: '60' },
    FAILED_PRECONDITION,
    'etcdserver: lease already exists',
  ],
  [
    'a lease for 286 years',
    'Lease',
    'LeaseGrant',
    { TTL: '9000000001' },
    OUT_OF_RANGE,
    'etcdserver: too large lease TTL',
  ],
  [
    'a put above 1.5 MiB',
    'KV',
    'Put',
    { key: bytes('big'), value: Buffer.alloc(1.5 * 1024 * 1024) },
    INVALID_ARGUMENT,
    tooLarge,
  ],
  [
    'a transaction above 1.5 MiB',
    'KV',
    'Txn',
    txn(times(3, (i) => put(`big${i}`, 'x'.repeat(512 * 1024)))),
    INVALID_ARGUMENT,
    tooLarge,
  ],
  ['a hash of the future', 'Maintenance', 'HashKV', { revision: '1000' }, OUT_OF_RANGE, future],
  ['a hash of the past', 'Maintenance', 'HashKV', { revision: '2' }, OUT_OF_RANGE, compacted],
  [
    'authentication',
    'Auth',
    'Authenticate',
    { name: 'root', password: 'x' },
    FAILED_PRECONDITION,
    'etcdserver: authentication is not enabled',
  ],
];

async function begin(client: RawClient): Promise<void> {
  for (const value of ['1', '2', '3'])
    await client.call('KV', 'Put', { key: bytes('a'), value: bytes(value) });
  await client.call('KV', 'Compact', { revision: '3' });
  await client.call('Lease', 'LeaseGrant', { ID: '5', TTL: '600' });
}

describeBoth("refuses with etcd's codes and words", (server) => {
  let begun: Promise<void> | undefined;

  it.each(cases)('%s', async (_what, service, method, request, code, details) => {
    const { client } = server();
    begun ??= begin(client);
    await begun;
    await expect(client.call(service, method, request)).rejects.toMatchObject({ code, details });
  });

  it('a message above 2 MiB, before it is read', async () => {
    const value = Buffer.alloc(2.5 * 1024 * 1024);
    await expect(server().client.call('KV', 'Put', { key: bytes('big'), value })).rejects.toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: expect.stringContaining('larger than max'),
    });
  });

  it('nothing just below 1.5 MiB', async () => {
    const value = Buffer.alloc(1.5 * 1024 * 1024 - 64);
    await server().client.call('KV', 'Put', { key: bytes('big'), value });
    const reply = await server().client.call('KV', 'Range', { key: bytes('big') });
    const stored = (reply.kvs as { value: Buffer }[])[0]?.value;
    expect(stored?.equals(value)).toBe(true);
  });
});
