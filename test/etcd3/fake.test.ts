import { status } from '@grpc/grpc-js';
import { Etcd3 } from 'etcd3';
import { afterEach, describe, expect, it } from 'vitest';
import { isQuorateError } from '../../src/errors.js';
import { Connection } from '../../src/etcd3/connection.js';
import { EndpointPool } from '../../src/etcd3/endpoint-pool.js';
import { openEtcd3Store } from '../../src/etcd3/index.js';
import { hostsOf } from '../../src/etcd3/transport/grpc-js-clients.js';
import { GrpcJsEndpoint } from '../../src/etcd3/transport/grpc-js-endpoint.js';
import { Http2Endpoint } from '../../src/etcd3/transport/http2/http2-endpoint.js';
import type { Endpoint } from '../../src/etcd3/transport/transport.js';
import { Etcd3Watch } from '../../src/etcd3/watch.js';
import { WatchStream, type WatchTimes } from '../../src/etcd3/watch-stream.js';
import { systemRuntime } from '../../src/runtime/index.js';
import { get, put, type Store, txnOf, type WatchRequest } from '../../src/store/index.js';
import { WatchReader } from '../support/watch-reader.js';
import { Failure, type FakeAnswers, FakeEtcd, type FakeWatchStream, header } from './fake-etcd.js';
import { transports } from './transports.js';

describe.each(transports)('over %s', (transport) => {
  const undo: (() => unknown)[] = [];
  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step();
  });

  async function fake(answers: FakeAnswers): Promise<FakeEtcd> {
    const server = await FakeEtcd.start(answers);
    undo.push(() => server.stop());
    return server;
  }

  async function storeOn(server: FakeEtcd, auth?: { username: string; password: string }): Promise<Store> {
    const store = await openEtcd3Store({ transport, hosts: server.endpoint, ...(auth ? { auth } : {}) });
    undo.push(() => store.close());
    return store;
  }

  function watch(store: Store, request: WatchRequest): WatchReader {
    const reader = new WatchReader(store.watch(request));
    undo.push(() => reader.close());
    return reader;
  }

  const event = (revision: number, key = 'k') => ({
    type: 'Put',
    kv: { key: Buffer.from(key), mod_revision: String(revision), create_revision: '1', version: '1' },
  });

  const created = (stream: FakeWatchStream, id: string, revision: number | string) =>
    stream.send({ watch_id: id, created: true, header: header(revision) });

  describe('what etcd answers, as typed errors', () => {
    const table: readonly [code: status, details: string, expected: string][] = [
      [status.INVALID_ARGUMENT, 'etcdserver: key is not provided', 'invalid-argument not-applied'],
      [status.INVALID_ARGUMENT, 'etcdserver: key not found', 'key-not-found not-applied'],
      [status.INVALID_ARGUMENT, 'etcdserver: value is provided', 'invalid-argument not-applied'],
      [
        status.INVALID_ARGUMENT,
        'etcdserver: duplicate key given in txn request',
        'duplicate-key not-applied',
      ],
      [
        status.INVALID_ARGUMENT,
        'etcdserver: too many operations in txn request',
        'too-many-operations not-applied',
      ],
      [status.INVALID_ARGUMENT, 'etcdserver: request is too large', 'request-too-large not-applied'],
      [
        status.OUT_OF_RANGE,
        'etcdserver: mvcc: required revision has been compacted',
        'compacted not-applied',
      ],
      [
        status.OUT_OF_RANGE,
        'etcdserver: mvcc: required revision is a future revision',
        'future-revision not-applied',
      ],
      [status.OUT_OF_RANGE, 'etcdserver: too large lease TTL', 'invalid-argument not-applied'],
      [status.RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded', 'no-space unknown'],
      [status.RESOURCE_EXHAUSTED, 'etcdserver: too many requests', 'unavailable not-applied'],
      [status.NOT_FOUND, 'etcdserver: requested lease not found', 'lease-not-found not-applied'],
      [status.FAILED_PRECONDITION, 'etcdserver: lease already exists', 'lease-exists not-applied'],
      [status.PERMISSION_DENIED, 'etcdserver: permission denied', 'permission-denied not-applied'],
      [status.INVALID_ARGUMENT, 'etcdserver: user name is empty', 'unauthenticated not-applied'],
      [status.UNAUTHENTICATED, 'etcdserver: invalid auth token', 'unauthenticated not-applied'],
      [status.UNAVAILABLE, 'etcdserver: no leader', 'unavailable not-applied'],
      [status.UNAVAILABLE, 'etcdserver: not capable', 'unavailable not-applied'],
      [status.UNAVAILABLE, 'etcdserver: rpc not supported for learner', 'unavailable not-applied'],
      [status.UNAVAILABLE, 'etcdserver: leader changed', 'unavailable unknown'],
      [status.UNAVAILABLE, 'etcdserver: server stopped', 'unavailable unknown'],
      [status.UNAVAILABLE, 'etcdserver: request timed out', 'timeout unknown'],
      [
        status.UNAVAILABLE,
        'etcdserver: request timed out, possibly due to previous leader failure',
        'timeout unknown',
      ],
      [
        status.UNAVAILABLE,
        'etcdserver: request timed out, possibly due to connection lost',
        'timeout unknown',
      ],
      [status.UNKNOWN, 'raft proposal dropped', 'unavailable unknown'],
      [status.UNKNOWN, 'something new', 'internal unknown'],
      [status.DATA_LOSS, 'etcdserver: corrupt cluster', 'internal unknown'],
      [status.DEADLINE_EXCEEDED, 'context deadline exceeded', 'timeout unknown'],
      [status.CANCELLED, 'context canceled', 'unavailable unknown'],
      [status.UNAVAILABLE, 'error reading from server: EOF', 'unavailable unknown'],
      [status.UNIMPLEMENTED, 'unknown service', 'unimplemented not-applied'],
      [status.INTERNAL, 'stream terminated', 'internal unknown'],
    ];

    it.each(table)('%s %s: %s', async (code, details, expected) => {
      let asked = 0;
      const server = await fake({
        unary: (method) => {
          if (method === 'Status') return { header: header(), version: '3.4.23' };
          asked += 1;
          return new Failure(code, details);
        },
      });
      const store = await storeOn(server);
      const error: unknown = await store
        .txn(txnOf({ success: [put('k', '')] }))
        .catch((reason: unknown) => reason);
      if (!isQuorateError(error)) throw error;
      expect(`${error.code} ${error.outcome}`).toBe(expected);
      expect(error.message).toContain(details);
      expect(error.details).toMatchObject({ endpoint: server.endpoint, grpcCode: code });
      expect(asked).toBe(1);
      const read = await store.txn(txnOf({ success: [get('k')] })).catch((reason: unknown) => reason);
      expect(read).toMatchObject({ code: expected.split(' ')[0], outcome: 'not-applied' });
    });

    it('a number that no double holds is refused where it enters', async () => {
      const server = await fake({
        unary: (method) =>
          method === 'Txn' ? { header: header('9007199254740993'), succeeded: true } : { header: header() },
      });
      const store = await storeOn(server);
      await expect(store.txn(txnOf({ success: [put('k', '')] }))).rejects.toMatchObject({
        code: 'internal',
        outcome: 'unknown',
      });
    });

    it('asks only members that have a leader, except for what may be stale', async () => {
      const asked: string[] = [];
      const server = await fake({
        unary: (method, _, metadata) => {
          asked.push(`${method} ${metadata.get('hasleader').join()}`);
          return { header: header() };
        },
        watchCreate: (_, stream) => asked.push(`Watch ${stream.metadata.get('hasleader').join()}`),
      });
      const store = await storeOn(server);
      await store.txn(txnOf({}));
      await store.range({ key: 'k' });
      await store.range({ key: 'k', serializable: true });
      const reader = watch(store, { key: 'k' });
      await reader.until(() => asked.some((line) => line.startsWith('Watch')), 'a create request');
      expect(asked).toEqual(['Status ', 'Txn true', 'Range true', 'Range ', 'Watch true']);
    });
  });

  describe('watches on a server that misbehaves', () => {
    it('B1 the header of a batch of old events does not move the position', async () => {
      let streams = 0;
      const server = await fake({
        watchCreate: ({ watch_id }, stream) => {
          streams += 1;
          created(stream, watch_id, 1_000);
          if (streams > 1) return;
          stream.send({ watch_id, header: header(1_000), events: [event(5), event(6)] });
          stream.cut();
        },
      });
      const reader = watch(await storeOn(server), { key: 'k', fromRevision: 3 });
      await reader.wait('opened', 2);
      expect(server.creates.map(({ start_revision }) => start_revision)).toEqual(['2', '6']);
    });

    it('manual progress replies do not move the position, those of the watch itself do', async () => {
      let streams = 0;
      const server = await fake({
        watchCreate: ({ watch_id }, stream) => {
          streams += 1;
          created(stream, watch_id, 10);
          if (streams > 2) return;
          stream.send({ watch_id: streams === 1 ? '-1' : watch_id, header: header(streams * 100) });
          stream.cut();
        },
      });
      const reader = watch(await storeOn(server), { key: 'k', progress: true });
      await reader.wait('opened', 3);
      expect(server.creates.map(({ start_revision }) => start_revision)).toEqual(['0', '10', '200']);
      expect(reader.all('progress').map(({ revision }) => revision)).toEqual([200]);
    });

    it('events that come twice are delivered once', async () => {
      const server = await fake({
        watchCreate: ({ watch_id }, stream) => {
          created(stream, watch_id, 4);
          stream.send({ watch_id, header: header(6), events: [event(5), event(6)] });
          stream.send({ watch_id, header: header(6), events: [event(6)] });
          stream.send({ watch_id, header: header(7), events: [event(6), event(7)] });
        },
      });
      const reader = watch(await storeOn(server), { key: 'k' });
      await reader.waitEvents(3);
      expect(reader.events.map(({ kv }) => kv.modRevision)).toEqual([5, 6, 7]);
    });

    it('resume: now starts afresh after a cut', async () => {
      let streams = 0;
      const server = await fake({
        watchCreate: ({ watch_id }, stream) => {
          streams += 1;
          created(stream, watch_id, streams * 10);
          stream.send({ watch_id, header: header(100), events: [event(streams * 10 + 1)] });
          if (streams === 1) stream.cut();
        },
      });
      const reader = watch(await storeOn(server), { key: 'k', resume: 'now' });
      await reader.waitEvents(2);
      expect(server.creates.map(({ start_revision }) => start_revision)).toEqual(['0', '0']);
      expect(reader.all('opened').map(({ revision }) => revision)).toEqual([10, 20]);
    });

    it('resume: now delivers nothing twice where another member lags', async () => {
      let streams = 0;
      const server = await fake({
        watchCreate: ({ watch_id }, stream) => {
          streams += 1;
          created(stream, watch_id, streams === 1 ? 10 : 5);
          const events = streams === 1 ? [event(11), event(12)] : [event(11), event(12), event(13)];
          for (const one of events) stream.send({ watch_id, header: header(100), events: [one] });
          if (streams === 1) stream.cut();
        },
      });
      const reader = watch(await storeOn(server), { key: 'k', resume: 'now' });
      await reader.waitEvents(3);
      expect(reader.events.map(({ kv }) => kv.modRevision)).toEqual([11, 12, 13]);
      expect(reader.all('opened').map(({ revision }) => revision)).toEqual([10, 12]);
    });

    it('a refusal without the watch’s id meets the oldest watch that is not created', async () => {
      const server = await fake({
        watchCreate: ({ watch_id, key }, stream) => {
          if (key.toString() === 'bad') {
            stream.send({ watch_id: '-1', created: true, canceled: true, cancel_reason: 'mvcc: strange' });
          } else created(stream, watch_id, 1);
        },
      });
      const store = await storeOn(server);
      const good = watch(store, { key: 'good' });
      const bad = watch(store, { key: 'bad' });
      const after = watch(store, { key: 'after' });
      await Promise.all([good.wait('opened'), after.wait('opened'), bad.waitEnd()]);
      expect(bad.failure).toMatchObject({ code: 'internal' });
      expect(String(bad.failure)).toContain('mvcc: strange');
      expect([good.ended, after.ended]).toEqual([false, false]);
    });

    it('words for watches that nobody knows are ignored', async () => {
      const server = await fake({
        watchCreate: ({ watch_id }, stream) => {
          created(stream, watch_id, 4);
          stream.send({ watch_id: '999', events: [event(5)] });
          stream.send({ watch_id: '998', canceled: true, cancel_reason: 'gone' });
          stream.send({ watch_id, events: [event(5)] });
        },
      });
      const reader = watch(await storeOn(server), { key: 'k' });
      await reader.waitEvents(1);
      expect(reader.items.map(({ type }) => type)).toEqual(['opened', 'events']);
    });

    it('"permission denied" of a stale token opens the stream again with a new one', async () => {
      let tokens = 0;
      const server = await fake({
        unary: (method) => {
          if (method !== 'Authenticate') return { header: header() };
          tokens += 1;
          return { header: header(), token: `token-${tokens}` };
        },
        watchCreate: ({ watch_id }, stream) => {
          if (stream.metadata.get('token')[0] === 'token-2') created(stream, watch_id, 1);
          else {
            const cancel_reason = 'etcdserver: permission denied';
            stream.send({ watch_id, created: true, canceled: true, cancel_reason });
          }
        },
      });
      const reader = watch(await storeOn(server, { username: 'a', password: 'b' }), { key: 'k' });
      await reader.wait('opened');
      expect(tokens).toBe(2);
      expect(reader.items.map(({ type }) => type)).toEqual(['interrupted', 'opened']);
    });
  });

  describe('tokens', () => {
    it('a user is authenticated once the server asks for one', async () => {
      let enabled = false;
      const server = await fake({
        unary: (method, _, metadata) => {
          if (method === 'Authenticate') {
            if (enabled) return { header: header(), token: 'fresh' };
            return new Failure(status.FAILED_PRECONDITION, 'etcdserver: authentication is not enabled');
          }
          if (!enabled || method === 'Status' || metadata.get('token')[0] === 'fresh')
            return { header: header() };
          return new Failure(status.INVALID_ARGUMENT, 'etcdserver: user name is empty');
        },
      });
      const store = await storeOn(server, { username: 'a', password: 'b' });
      await store.txn(txnOf({ success: [put('k', '')] }));
      enabled = true;
      await store.txn(txnOf({ success: [put('k', '')] }));
    });

    it('a token that is refused again and again is asked for once a call', async () => {
      let tokens = 0;
      const server = await fake({
        unary: (method) => {
          if (method === 'Status') return { header: header() };
          if (method !== 'Authenticate')
            return new Failure(status.UNAUTHENTICATED, 'etcdserver: invalid auth token');
          tokens += 1;
          return { header: header(), token: `token-${tokens}` };
        },
      });
      const store = await storeOn(server, { username: 'a', password: 'b' });
      await expect(store.txn(txnOf({ success: [put('k', '')] }))).rejects.toMatchObject({
        code: 'unauthenticated',
        outcome: 'not-applied',
      });
      expect(tokens).toBe(2);
    });

    it('a watch that stays denied fails, though reads are permitted', async () => {
      let tokens = 0;
      const server = await fake({
        unary: (method) => {
          if (method !== 'Authenticate') return { header: header() };
          tokens += 1;
          return { header: header(), token: `token-${tokens}` };
        },
        watchCreate: ({ watch_id }, stream) => {
          const cancel_reason = 'etcdserver: permission denied';
          stream.send({ watch_id, created: true, canceled: true, cancel_reason });
        },
      });
      const reader = watch(await storeOn(server, { username: 'a', password: 'b' }), { key: 'k' });
      await reader.waitEnd();
      expect(reader.failure).toMatchObject({ code: 'permission-denied' });
      expect(tokens).toBe(2);
    });
  });

  describe('watches on a server that falls silent', () => {
    function endpointOf(server: FakeEtcd): Endpoint {
      if (transport === 'http2') return new Http2Endpoint(server.endpoint, undefined, systemRuntime);
      const client = new Etcd3({ hosts: server.endpoint });
      const [raw] = hostsOf(client);
      if (raw === undefined) throw new Error('a client has a host');
      return new GrpcJsEndpoint(raw.host, raw.name, systemRuntime, () => client.close());
    }

    const times: WatchTimes = { createMs: 1_500, silenceMs: 500, answerMs: 1_000 };

    async function watchOn(server: FakeEtcd): Promise<WatchReader> {
      const endpoint = endpointOf(server);
      const pool = new EndpointPool([endpoint], systemRuntime, 1_000);
      const connection = new Connection(pool, systemRuntime, { auth: undefined, callTimeoutMs: 1_000 });
      const stream = new WatchStream(connection, times);
      undo.push(() => {
        stream.close();
        connection.close();
        endpoint.close();
      });
      const one = new Etcd3Watch({ key: 'k' }, stream);
      stream.add(one);
      return new WatchReader(one);
    }

    it('is asked for a word, and left if it gives none', async () => {
      let asked = 0;
      const server = await fake({
        watchCreate: ({ watch_id }, stream) => created(stream, watch_id, 1),
        watchProgress: () => {
          asked += 1;
        },
      });
      const reader = await watchOn(server);
      await reader.wait('opened', 2);
      expect(asked).toBe(1);
      expect(String(reader.all('interrupted')[0]?.error)).toContain('no word from the server');
    });

    it('is kept while it answers', async () => {
      let asked = 0;
      const server = await fake({
        watchCreate: ({ watch_id }, stream) => created(stream, watch_id, 1),
        watchProgress: (stream) => {
          asked += 1;
          stream.send({ watch_id: '-1' });
        },
      });
      const reader = await watchOn(server);
      await reader.until(() => asked >= 3, 'three questions');
      expect(reader.items.map(({ type }) => type)).toEqual(['opened']);
    });

    it('is left if it never confirms a watch', async () => {
      let streams = 0;
      const server = await fake({
        watchCreate: ({ watch_id }, stream) => {
          streams += 1;
          if (streams > 1) created(stream, watch_id, 1);
        },
        watchProgress: (stream) => stream.send({ watch_id: '-1' }),
      });
      const reader = await watchOn(server);
      await reader.wait('opened');
      expect(reader.items.map(({ type }) => type)).toEqual(['interrupted', 'opened']);
    });
  });
});
