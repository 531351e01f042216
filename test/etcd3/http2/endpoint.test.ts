import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { addressOf } from '../../../src/etcd3/transport/http2/address.js';
import {
  errorCode,
  flag,
  frameType,
  largestWindow,
  setting,
  uint32,
} from '../../../src/etcd3/transport/http2/frames.js';
import { Http2Connection } from '../../../src/etcd3/transport/http2/http2-connection.js';
import { Http2Endpoint } from '../../../src/etcd3/transport/http2/http2-endpoint.js';
import { type CallError, type Metadata, status } from '../../../src/etcd3/transport/transport.js';
import { systemRuntime } from '../../../src/runtime/index.js';
import { freePort } from '../../support/etcd-process.js';
import {
  begin,
  frameOf,
  headersOf,
  messageOf,
  RawServer,
  type RawServerOptions,
  success,
} from './raw-server.js';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const plain: Metadata = {};

/** How a call ended, in a line. */
type Ending = string;

async function until(condition: () => boolean, what: string): Promise<void> {
  const end = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`it did not come about: ${what}`);
    await delay(2);
  }
}

function tell(error: CallError): Ending {
  const name = Object.entries(status).find(([, code]) => code === error.grpcCode)?.[0] ?? error.grpcCode;
  return `${name}${error.neverSent ? ' unsent' : ''}: ${error.details}`;
}

function call(endpoint: Http2Endpoint, text = 'ask', timeoutMs = 5_000) {
  let cancel = () => {};
  const ending = new Promise<Ending>((resolve) => {
    const made = endpoint.unary('/test/Call', Buffer.from(text), plain, timeoutMs, {
      succeeded: (message) => resolve(`ok: ${message}`),
      failed: (error) => resolve(tell(error)),
    });
    cancel = () => made.cancel();
  });
  return { ending, cancel: () => cancel() };
}

function stream(endpoint: Http2Endpoint) {
  const told: string[] = [];
  const open = endpoint.stream('/test/Stream', plain, {
    message: (message) => told.push(message.toString()),
    failed: (error) => told.push(tell(error)),
    ended: () => told.push('ended'),
  });
  return { told, write: (text: string) => open.write(Buffer.from(text)), cancel: () => open.cancel() };
}

async function raw(options: RawServerOptions = {}): Promise<{ server: RawServer; endpoint: Http2Endpoint }> {
  const server = await RawServer.start(options);
  undo.push(() => server.close());
  const endpoint = new Http2Endpoint(server.endpoint, undefined, systemRuntime);
  undo.push(() => endpoint.close());
  await endpoint.connect(5_000);
  return { server, endpoint };
}

/** A server that sends `frames` as the answer to the first call, whose stream is 1. */
async function answering(...frames: readonly Buffer[]) {
  return raw({
    onFrame: ({ type }, link) => {
      if (type === frameType.data) link.socket.write(Buffer.concat(frames));
    },
  });
}

const headers = (payload: Buffer, flags = 0) =>
  frameOf(frameType.headers, flag.endHeaders | flags, 1, payload);
const data = (payload: Buffer, flags = 0) => frameOf(frameType.data, flags, 1, payload);
const trailers = (payload: Buffer) => headers(payload, flag.endStream);
const whole = [headers(begin), data(messageOf('yes')), trailers(success)] as const;

describe('answers', () => {
  const table: readonly [what: string, ending: Ending, ...frames: Buffer[]][] = [
    ['a message and its status', 'ok: yes', ...whole],
    [
      'a message in pieces, cut within its length too',
      'ok: yes',
      headers(begin),
      ...Array.from(messageOf('yes'), (byte) => data(Buffer.from([byte]))),
      trailers(success),
    ],
    [
      'frames with padding, and headers with a priority',
      'ok: yes',
      headers(
        Buffer.concat([Buffer.from([3, 0, 0, 0, 0, 9]), begin, Buffer.alloc(3)]),
        flag.padded | flag.priority,
      ),
      data(Buffer.concat([Buffer.from([2]), messageOf('yes'), Buffer.alloc(2)]), flag.padded),
      trailers(success),
    ],
    [
      'headers that go on in other frames',
      'ok: yes',
      frameOf(frameType.headers, 0, 1, begin.subarray(0, 1)),
      frameOf(frameType.continuation, 0, 1, begin.subarray(1, 9)),
      frameOf(frameType.continuation, flag.endHeaders, 1, begin.subarray(9)),
      data(messageOf('yes')),
      trailers(success),
    ],
    [
      'a preliminary answer, and frames of kinds that nobody knows',
      'ok: yes',
      headers(headersOf({ ':status': '103' })),
      frameOf(0x2a, 0xff, 1, Buffer.from('?')),
      frameOf(2, 0, 1, Buffer.alloc(5)),
      ...whole,
    ],
    [
      'a failure alone',
      'unavailable: etcdserver: no leader',
      trailers(
        headersOf({
          ':status': '200',
          'content-type': 'application/grpc',
          'grpc-status': '14',
          'grpc-message': 'etcdserver: no leader',
        }),
      ),
    ],
    [
      'a failure after the beginning',
      'deadlineExceeded: too late',
      headers(begin),
      trailers(headersOf({ 'grpc-status': '4', 'grpc-message': 'too late' })),
    ],
    [
      'a text with percent signs',
      'internal: größer als 100%, \n',
      trailers(
        headersOf({
          ':status': '200',
          'grpc-status': '13',
          'grpc-message': 'gr%C3%B6%C3%9Fer als 100%25, %0A',
        }),
      ),
    ],
    [
      'a text with percent signs that mean nothing',
      'internal: 100% of %zz',
      trailers(headersOf({ ':status': '200', 'grpc-status': '13', 'grpc-message': '100% of %zz' })),
    ],
    [
      'a status that is no number',
      'unknown: odd',
      headers(begin),
      trailers(headersOf({ 'grpc-status': 'x', 'grpc-message': 'odd' })),
    ],
    [
      'no status',
      'unknown: the server ended the call without a status',
      headers(begin),
      data(messageOf('yes')),
      trailers(headersOf({ other: '1' })),
    ],
    [
      'an end amid the data',
      'unknown: the server ended the call without a status',
      headers(begin),
      data(messageOf('yes'), flag.endStream),
    ],
    [
      'half a message',
      'internal: the server sent half a message',
      headers(begin),
      data(messageOf('yes').subarray(0, 6)),
      trailers(success),
    ],
    ['no message', 'internal: the server answers without a message', headers(begin), trailers(success)],
    [
      'two messages',
      'internal: the server answers twice',
      headers(begin),
      data(Buffer.concat([messageOf('yes'), messageOf('no')])),
      trailers(success),
    ],
    [
      'a compressed message',
      'internal: the server sent a compressed message, unasked',
      headers(begin),
      data(Buffer.concat([Buffer.from([1]), messageOf('yes').subarray(1)])),
      trailers(success),
    ],
    ['data before headers', 'internal: the server sent data before headers', data(messageOf('yes'))],
    [
      'headers amid the data',
      'internal: the server sent headers amid the data',
      headers(begin),
      headers(begin),
      data(messageOf('yes')),
    ],
    [
      'a page of a gateway',
      'unavailable: the server answers with the HTTP status 503',
      headers(headersOf({ ':status': '503', 'content-type': 'text/html' })),
      data(Buffer.from('<html>'), flag.endStream),
    ],
    [
      'a page that is not there',
      'unimplemented: the server answers with the HTTP status 404',
      trailers(headersOf({ ':status': '404' })),
    ],
    [
      'content of another kind',
      'unknown: the server answers with content of type "text/html"',
      headers(headersOf({ ':status': '200', 'content-type': 'text/html' })),
      data(Buffer.from('<html>'), flag.endStream),
    ],
    [
      'a refused stream',
      'unavailable unsent: the server refused the stream',
      frameOf(frameType.reset, 0, 1, uint32(errorCode.refusedStream)),
    ],
    [
      'a stream refused after it was begun to be answered, which nobody should',
      'unavailable: the server refused the stream',
      headers(begin),
      frameOf(frameType.reset, 0, 1, uint32(errorCode.refusedStream)),
    ],
    [
      'a cancelled stream',
      'cancelled: the server cancelled the call',
      frameOf(frameType.reset, 0, 1, uint32(errorCode.cancel)),
    ],
    [
      'a stream that was too much',
      'unavailable: the server reset the stream: too much was asked of it',
      frameOf(frameType.reset, 0, 1, uint32(errorCode.enhanceYourCalm)),
    ],
    [
      'a broken stream',
      'internal: the server reset the stream with the code 2',
      headers(begin),
      frameOf(frameType.reset, 0, 1, uint32(errorCode.internal)),
    ],
  ];

  it.each(table)('%s: %s', async (_, ending, ...frames) => {
    const { server, endpoint } = await answering(...frames);
    expect(await call(endpoint).ending).toBe(ending);
    // Whatever it was, the connection goes on.
    const next = call(endpoint).ending;
    await until(() => server.link.of(frameType.headers).length === 2, 'the next call');
    server.link.answer(3, 'still here');
    expect(await next).toBe('ok: still here');
    expect(server.links).toHaveLength(1);
  });

  it('several messages of a stream in one frame, and its end', async () => {
    const { server, endpoint } = await raw();
    const open = stream(endpoint);
    open.write('first');
    open.write('second');
    await until(() => server.link.data.get(1)?.length === 21, 'both messages');
    expect(server.link.data.get(1)).toEqual(Buffer.concat([messageOf('first'), messageOf('second')]));
    const all = Buffer.concat([messageOf('a'), messageOf(''), messageOf('ccc')]);
    server.link.socket.write(Buffer.concat([headers(begin), data(all), trailers(success)]));
    await until(() => open.told.includes('ended'), 'the end');
    expect(open.told).toEqual(['a', '', 'ccc', 'ended']);
    // Our half was open still: the server is told that nothing more comes.
    await until(() => server.link.of(frameType.reset).length === 1, 'a reset');
  });
});

describe('what is written', () => {
  it('headers, data and the end of a request leave in one piece', async () => {
    const chunks: Buffer[] = [];
    const { server, endpoint } = await raw();
    server.link.socket.on('data', (chunk) => chunks.push(chunk));
    chunks.length = 0;
    const calls = [call(endpoint, 'one').ending, call(endpoint, 'two').ending];
    await until(() => server.link.data.size === 2, 'both calls');
    expect(chunks).toHaveLength(1);
    for (const frame of server.link.of(frameType.data)) expect(frame.flags & flag.endStream).toBe(1);
    for (const id of [1, 3]) server.link.answer(id);
    expect(await Promise.all(calls)).toEqual(['ok: yes', 'ok: yes']);
  });

  it('within the windows of the stream and of the connection, which may shrink below nothing', async () => {
    const { server, endpoint } = await raw({
      hello: (link) => link.settings([setting.initialWindowSize, 10]),
    });
    const text = 'x'.repeat(70_000);
    const { ending } = call(endpoint, text);
    const received = () => server.link.data.get(1)?.length ?? 0;
    await until(() => received() === 10, 'ten bytes');
    server.link.settings([setting.initialWindowSize, 4]);
    server.link.send(frameType.windowUpdate, 0, 1, uint32(6));
    await delay(30);
    expect(received()).toBe(10);
    server.link.settings([setting.initialWindowSize, 100_000]);
    // The rest of what the connection allows: 65,535 bytes.
    await until(() => received() === 65_535, 'all that the connection allows');
    const other = call(endpoint, 'other').ending;
    await delay(30);
    expect(server.link.data.get(3)).toBeUndefined();
    server.link.send(frameType.windowUpdate, 0, 0, uint32(100_000));
    await until(() => server.link.data.get(3) !== undefined, 'the other call');
    expect(server.link.data.get(1)).toEqual(messageOf(text));
    expect(Math.max(...server.link.of(frameType.data).map(({ payload }) => payload.length))).toBe(16_384);
    for (const id of [1, 3]) server.link.answer(id);
    expect(await Promise.all([ending, other])).toEqual(['ok: yes', 'ok: yes']);
  });

  it('an answer that comes before all is sent ends the sending', async () => {
    const { server, endpoint } = await raw();
    const { ending } = call(endpoint, 'x'.repeat(200_000));
    await until(() => server.link.data.get(1)?.length === 65_535, 'what the window allows');
    server.link.socket.write(
      trailers(headersOf({ ':status': '200', 'grpc-status': '8', 'grpc-message': 'too large' })),
    );
    expect(await ending).toBe('resourceExhausted: too large');
    await until(() => server.link.of(frameType.reset).length === 1, 'a reset');
    server.link.send(frameType.windowUpdate, 0, 0, uint32(1_000_000));
    const next = call(endpoint).ending;
    await until(() => server.link.data.get(3) !== undefined, 'the next call');
    server.link.answer(3);
    expect(await next).toBe('ok: yes');
    expect(server.link.data.get(1)?.length).toBe(65_535);
  });

  it('no more streams at a time than the server allows, the others in their order', async () => {
    const { server, endpoint } = await raw({
      hello: (link) => link.settings([setting.maxConcurrentStreams, 2]),
    });
    const calls = ['a', 'b', 'c', 'd'].map((text) => call(endpoint, text));
    const late = call(endpoint, 'late', 80);
    await until(() => server.link.data.size === 2, 'two calls');
    expect(await late.ending).toBe('deadlineExceeded unsent: no answer in time');
    calls[3]?.cancel();
    expect(await calls[3]?.ending).toBe('cancelled unsent: the call was cancelled');
    expect(server.link.data.size).toBe(2);
    server.link.answer(3, 'b');
    await until(() => server.link.data.size === 3, 'a third');
    expect(server.link.data.get(5)).toEqual(messageOf('c'));
    const more = ['e', 'f'].map((text) => call(endpoint, text).ending);
    server.link.settings([setting.maxConcurrentStreams, 100]);
    await until(() => server.link.data.size === 5, 'all that waited');
    for (const id of [1, 5, 7, 9]) server.link.answer(id);
    expect(await Promise.all([...calls.slice(0, 3).map(({ ending }) => ending), ...more])).toEqual(
      ['yes', 'b', 'yes', 'yes', 'yes'].map((text) => `ok: ${text}`),
    );
  });

  it('answers to pings, and acknowledgements of settings', async () => {
    const { server } = await raw();
    server.link.send(frameType.ping, 0, 0, Buffer.from('12345678'));
    server.link.settings([setting.headerTableSize, 0]);
    await until(() => server.link.of(frameType.settings).length === 3, 'two acknowledgements');
    const [ping] = server.link.of(frameType.ping);
    expect(ping).toMatchObject({ flags: flag.ack, payload: Buffer.from('12345678') });
  });
});

describe('calls that end early', () => {
  it('a deadline ends a call that was sent, here and there', async () => {
    const { server, endpoint } = await raw();
    expect(await call(endpoint, 'ask', 50).ending).toBe('deadlineExceeded: no answer in time');
    await until(() => server.link.of(frameType.reset).length === 1, 'a reset');
    expect(server.link.of(frameType.reset)[0]?.payload).toEqual(uint32(errorCode.cancel));
    server.link.answer(1);
    const next = call(endpoint).ending;
    await until(() => server.link.data.has(3), 'the next call');
    server.link.answer(3);
    expect(await next).toBe('ok: yes');
  });

  it('an answer that arrived during a stall counts, though the deadline has passed', async () => {
    const { server, endpoint } = await raw();
    const { ending } = call(endpoint, 'ask', 1_000);
    await until(() => server.link.data.has(1), 'the call');
    // From here the event loop goes to its timers first, and only then to what has arrived.
    await new Promise((resolve) => setImmediate(resolve));
    server.link.answer(1);
    const stalled = performance.now() + 1_200;
    while (performance.now() < stalled);
    expect(await ending).toBe('ok: yes');
  });

  it('a cancelled call is over at once, as is a cancelled stream, which hears nothing more', async () => {
    const { server, endpoint } = await raw();
    const made = call(endpoint);
    const open = stream(endpoint);
    await until(() => server.link.of(frameType.headers).length === 2, 'both');
    made.cancel();
    made.cancel();
    open.cancel();
    open.write('into the void');
    expect(await made.ending).toBe('cancelled: the call was cancelled');
    await until(() => server.link.of(frameType.reset).length === 2, 'two resets');
    server.link.answer(1);
    server.link.answer(3);
    await delay(20);
    expect(open.told).toEqual([]);
    expect(endpoint.isReady()).toBe(true);
  });

  it('closing ends everything', async () => {
    const { server, endpoint } = await raw();
    const { ending } = call(endpoint);
    const open = stream(endpoint);
    await until(() => server.link.of(frameType.headers).length === 2, 'both');
    endpoint.close();
    expect(await ending).toBe('cancelled: the call was cancelled');
    await until(() => server.link.socket.destroyed, 'the end of the connection');
    expect(server.link.of(frameType.goAway)).toHaveLength(1);
    expect(open.told).toEqual(['cancelled: the call was cancelled']);
    expect(endpoint.isReady()).toBe(false);
    await expect(endpoint.connect(1_000)).rejects.toThrow('closed');
    expect(await call(endpoint).ending).toBe('unavailable unsent: there is no connection');
  });
});

describe('a server that goes away', () => {
  it('what it has not seen is known to be unsent, what it has seen goes on, and another connection serves', async () => {
    const { server, endpoint } = await raw();
    const [seen, unseen] = [call(endpoint, 'seen'), call(endpoint, 'unseen')];
    const [first] = server.links;
    await until(() => first?.data.size === 2, 'both calls');
    first?.goAway(1, 0, 'bye');
    expect(await unseen.ending).toBe('unavailable unsent: the connection takes no more calls: code 0, bye');
    expect(endpoint.isReady()).toBe(false);
    await endpoint.connect(5_000);
    const next = call(endpoint, 'next').ending;
    await until(() => server.link.data.size === 1, 'the call on the new connection');
    server.link.answer(1, 'anew');
    first?.answer(1, 'late');
    expect(await Promise.all([seen.ending, next])).toEqual(['ok: late', 'ok: anew']);
    await until(() => first?.socket.destroyed === true, 'the end of the old connection');
    expect(server.links).toHaveLength(2);
  });

  it('a first farewell that leaves all open is made good by a second', async () => {
    const { server, endpoint } = await raw();
    const calls = [call(endpoint, 'a'), call(endpoint, 'b'), call(endpoint, 'c')];
    await until(() => server.link.data.size === 3, 'the calls');
    server.link.goAway(largestWindow);
    await until(() => !endpoint.isReady(), 'the farewell');
    server.link.goAway(3);
    expect(await calls[2]?.ending).toMatch(/^unavailable unsent: /);
    server.link.answer(1);
    expect(await calls[0]?.ending).toBe('ok: yes');
    server.link.socket.destroy();
    expect(await calls[1]?.ending).toMatch(/^unavailable: the connection was lost/);
  });

  it('calls that waited for their turn are unsent too', async () => {
    const { server, endpoint } = await raw({
      hello: (link) => link.settings([setting.maxConcurrentStreams, 1]),
    });
    const [first, second] = [call(endpoint, 'a'), call(endpoint, 'b')];
    await until(() => server.link.data.size === 1, 'the first call');
    server.link.goAway(1, errorCode.enhanceYourCalm, 'too_many_pings');
    expect(await second.ending).toMatch(/^unavailable unsent: .*too_many_pings/);
    server.link.answer(1);
    expect(await first.ending).toBe('ok: yes');
  });

  it('a connection without calls that is bidden farewell is closed at once', async () => {
    const { server, endpoint } = await raw();
    server.link.goAway(0);
    await until(() => server.link.socket.destroyed, 'the end of the connection');
    expect(endpoint.isReady()).toBe(false);
    await endpoint.connect(5_000);
    expect(endpoint.isReady()).toBe(true);
  });
});

describe('a connection that is lost', () => {
  it('leaves unknown what was written', async () => {
    const { server, endpoint } = await raw();
    const { ending } = call(endpoint);
    const open = stream(endpoint);
    await until(() => server.link.of(frameType.headers).length === 2, 'both');
    server.link.socket.resetAndDestroy();
    expect(await ending).toMatch(/^unavailable: the connection was lost: .*ECONNRESET/);
    await until(() => open.told.length === 1, 'the end of the stream');
    expect(open.told[0]).toMatch(/^unavailable: /);
    expect(endpoint.isReady()).toBe(false);
  });

  it('and knows as unsent what was asked for as a farewell came', async () => {
    const { server, endpoint } = await raw();
    const { ending } = call(endpoint, 'written');
    const made = new Promise<Promise<Ending>>((resolve) => {
      endpoint.unary('/test/Call', Buffer.from('x'), plain, 5_000, {
        succeeded: () => resolve(call(endpoint, 'too late').ending),
        failed: (error) => resolve(Promise.resolve(tell(error))),
      });
    });
    await until(() => server.link.data.size === 2, 'both calls');
    // The answer and the farewell in one packet: the next call is made between the two.
    server.link.socket.cork();
    server.link.answer(3);
    server.link.goAway(3);
    server.link.socket.uncork();
    expect(await await made).toMatch(/^unavailable unsent: the connection takes no more calls/);
    server.link.answer(1);
    expect(await ending).toBe('ok: yes');
  });

  it('and what was to be written on a socket that had ended already', async () => {
    const server = await RawServer.start();
    undo.push(() => server.close());
    const { host, port } = addressOf(server.endpoint);
    const socket = connect({ host, port });
    const ready = new Promise<void>((resolve, reject) => {
      socket.once('connect', () => made.resolve(resolve, reject));
    });
    const made = {
      connection: undefined as Http2Connection | undefined,
      resolve(onReady: () => void, onClosed: (error: Error) => void) {
        const options = { socket, secure: false, authority: server.endpoint, runtime: systemRuntime };
        const connection = new Http2Connection({ ...options, onReady, onClosed });
        this.connection = connection;
        socket.on('data', (chunk: Buffer) => connection.received(chunk));
      },
    };
    await ready;
    const outcome = new Promise<Ending>((resolve) => {
      socket.destroy();
      made.connection?.open(
        { path: '/test/Call', metadata: plain, first: Buffer.from('x'), only: true },
        { message: () => {}, closed: (error) => resolve(error === undefined ? 'ok' : tell(error)) },
      );
    });
    expect(await outcome).toMatch(/^unavailable unsent: the connection was lost/);
    expect(server.link.data.size).toBe(0);
  });

  it('and one whose streams are used up takes no more, and serves those that are open', async () => {
    const server = await RawServer.start();
    undo.push(() => server.close());
    const { host, port } = addressOf(server.endpoint);
    const socket = connect({ host, port });
    await once(socket, 'connect');
    let ended = 0;
    const connection = await new Promise<Http2Connection>((resolve, reject) => {
      const options = { socket, secure: false, authority: server.endpoint, runtime: systemRuntime };
      const firstStreamId = largestWindow - 2;
      const onReady = () => resolve(one);
      const one = new Http2Connection({ ...options, onReady, onClosed: reject, firstStreamId });
      socket.on('data', (chunk: Buffer) => one.received(chunk));
    });
    const open = () =>
      connection.open(
        { path: '/test/Call', metadata: plain, first: Buffer.from('x'), only: true },
        { message: () => {}, closed: (error) => (ended += error === undefined ? 1 : 100) },
      );
    open();
    expect(connection.usable).toBe(true);
    open();
    expect(connection.usable).toBe(false);
    await until(() => server.link.data.size === 2, 'both calls');
    for (const id of [largestWindow - 2, largestWindow]) server.link.answer(id);
    await until(() => server.link.socket.destroyed, 'the end of the connection');
    expect(ended).toBe(2);
  });

  const nonsense: readonly [what: string, bytes: Buffer, code: number][] = [
    ['a frame that is too large', frameOf(frameType.data, 0, 1, Buffer.alloc(16_385)), errorCode.frameSize],
    ['a stream that was never opened', frameOf(frameType.data, 0, 7, Buffer.alloc(1)), errorCode.protocol],
    [
      'a stream of the server’s own',
      frameOf(frameType.headers, flag.endHeaders, 2, begin),
      errorCode.protocol,
    ],
    ['a push', frameOf(frameType.pushPromise, flag.endHeaders, 1, uint32(2)), errorCode.protocol],
    [
      'headers that are broken off',
      Buffer.concat([frameOf(frameType.headers, 0, 1, begin), data(begin)]),
      errorCode.protocol,
    ],
    [
      'a continuation of nothing',
      frameOf(frameType.continuation, flag.endHeaders, 1, begin),
      errorCode.protocol,
    ],
    ['headers by numbers that are not given', headers(Buffer.from([0xfe])), errorCode.compression],
    ['headers that end too soon', headers(Buffer.from([0x00, 0x05, 0x61])), errorCode.compression],
    ['a ping of the wrong size', frameOf(frameType.ping, 0, 0, Buffer.alloc(7)), errorCode.frameSize],
    ['padding beyond its frame', data(Buffer.from([9, 1]), flag.padded), errorCode.protocol],
    ['a window of nothing', frameOf(frameType.windowUpdate, 0, 0, uint32(0)), errorCode.flowControl],
    [
      'a window beyond all',
      frameOf(frameType.windowUpdate, 0, 0, uint32(largestWindow)),
      errorCode.flowControl,
    ],
    [
      'headers without end',
      Buffer.concat([
        frameOf(frameType.headers, 0, 1, begin),
        ...Array.from({ length: 20 }, () => frameOf(frameType.continuation, 0, 1, Buffer.alloc(16_000))),
      ]),
      errorCode.enhanceYourCalm,
    ],
  ];

  it.each(nonsense)('is one on which the server sends %s', async (_, bytes, code) => {
    const { server, endpoint } = await raw();
    const { ending } = call(endpoint);
    await until(() => server.link.data.size === 1, 'the call');
    server.link.socket.write(bytes);
    expect(await ending).toMatch(/^unavailable: the connection was lost/);
    await until(() => server.link.of(frameType.goAway).length === 1, 'a farewell');
    expect(server.link.of(frameType.goAway)[0]?.payload.readUInt32BE(4)).toBe(code);
    expect(endpoint.isReady()).toBe(false);
    await endpoint.connect(5_000);
    const next = call(endpoint).ending;
    await until(() => server.link.data.size === 1, 'a call on a new connection');
    server.link.answer(1);
    expect(await next).toBe('ok: yes');
  });
});

describe('connecting', () => {
  const reason = (endpoint: Http2Endpoint, timeoutMs = 5_000) =>
    endpoint.connect(timeoutMs).then(
      () => 'connected',
      (error: Error) => error.message,
    );
  const to = (host: string) => {
    const endpoint = new Http2Endpoint(host, undefined, systemRuntime);
    undo.push(() => endpoint.close());
    return endpoint;
  };

  async function listening(onConnection: (socket: import('node:net').Socket) => void): Promise<string> {
    const server = createServer(onConnection).listen(0, '127.0.0.1');
    await once(server, 'listening');
    undo.push(() => server.close());
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no TCP address');
    return `127.0.0.1:${address.port}`;
  }

  it('says why it failed', async () => {
    expect(await reason(to(`127.0.0.1:${await freePort()}`))).toContain('ECONNREFUSED');
    expect(await reason(to(`localhost:${await freePort()}`))).toContain('ECONNREFUSED');
    expect(await reason(to('no-such-host.invalid:2379'))).toMatch(/ENOTFOUND|EAI_AGAIN/);
    const mute = await listening((socket) => undo.push(() => socket.destroy()));
    expect(await reason(to(mute), 60)).toBe('no connection within 60 ms');
    const rude = await listening((socket) => socket.end());
    expect(await reason(to(rude))).toMatch(/closed the connection|ECONNRESET/);
    const chatty = await listening((socket) => {
      socket.on('error', () => {});
      socket.write('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    expect(await reason(to(chatty))).toContain('no HTTP/2');
  });

  it('of an endpoint that is closed meanwhile ends at once', async () => {
    const mute = await listening((socket) => undo.push(() => socket.destroy()));
    const endpoint = to(mute);
    const told = reason(endpoint);
    await delay(20);
    endpoint.close();
    expect(await told).toBe('the endpoint is closed');
  });

  it('is tried again only after a while, and the same reason told till then', async () => {
    let attempts = 0;
    const rude = await listening((socket) => {
      attempts += 1;
      socket.end();
    });
    let nowMs = 0;
    const endpoint = new Http2Endpoint(rude, undefined, { ...systemRuntime, monotonicMs: () => nowMs });
    undo.push(() => endpoint.close());
    for (const round of [1, 2, 3]) {
      const told = new Set<string>();
      for (let ask = 0; ask < 10; ask += 1) told.add(await reason(endpoint));
      expect([...told]).toEqual([expect.stringMatching(/closed|ECONNRESET/)]);
      expect(attempts).toBe(round);
      nowMs += 5_000;
    }
  });

  it('reaches an IPv6 address', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.write(frameOf(frameType.settings, 0, 0));
    }).listen(0, '::1');
    const listens = await Promise.race([
      once(server, 'listening').then(() => true),
      once(server, 'error').then(() => false),
    ]);
    if (!listens) return; // A machine without IPv6.
    undo.push(() => server.close());
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no TCP address');
    const endpoint = to(`http://[::1]:${address.port}`);
    expect(await reason(endpoint)).toBe('connected');
    expect(endpoint.name).toBe(`[::1]:${address.port}`);
  });
});
