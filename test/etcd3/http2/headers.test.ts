/** Headers beside Node's own HTTP/2, which shortens and numbers them as etcd's server does. */
import { once } from 'node:events';
import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { HeaderDecoder } from '../../../src/etcd3/transport/http2/header-decoder.js';
import { Http2Endpoint } from '../../../src/etcd3/transport/http2/http2-endpoint.js';
import { decodeHuffman } from '../../../src/etcd3/transport/http2/huffman.js';
import type { CallError, Metadata } from '../../../src/etcd3/transport/transport.js';
import { systemRuntime } from '../../../src/runtime/index.js';
import { propertyRuns } from '../../support/property-runs.js';
import { messageOf } from './raw-server.js';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

interface Peer {
  readonly endpoint: Http2Endpoint;
  /** The requests as the server got them. */
  readonly seen: IncomingHttpHeaders[];
  session(): ServerHttp2Session;
}

type Answer = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

async function peer(answer: Answer, options: Parameters<typeof createServer>[0] = {}): Promise<Peer> {
  const seen: IncomingHttpHeaders[] = [];
  const sessions: ServerHttp2Session[] = [];
  const server: Http2Server = createServer({ maxSessionMemory: 1_000, ...options });
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => {});
  });
  server.on('stream', (stream, headers) => {
    seen.push(headers);
    stream.on('error', () => {});
    answer(stream, headers);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  const endpoint = new Http2Endpoint(`127.0.0.1:${address.port}`, undefined, systemRuntime);
  undo.push(() => endpoint.close());
  await endpoint.connect(5_000);
  const session = () => {
    const last = sessions.at(-1);
    if (last === undefined) throw new Error('nobody has connected');
    return last;
  };
  return { endpoint, seen, session };
}

function call(
  endpoint: Http2Endpoint,
  metadata: Metadata,
  path = '/a/B',
  timeoutMs = 5_000,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    endpoint.unary(path, Buffer.from('ask'), metadata, timeoutMs, {
      succeeded: (message) => resolve(Buffer.from(message)),
      failed: reject,
    });
  });
}

const answerWith = (stream: ServerHttp2Stream, trailers: Record<string, string>, body = messageOf('yes')) => {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.end(body);
};
const content: Answer = (stream) => answerWith(stream, { 'grpc-status': '0' });

describe('headers that we send', () => {
  it('are what gRPC wants', async () => {
    const { endpoint, seen } = await peer(content);
    await call(endpoint, { hasleader: 'true', token: 'abc.7' }, '/etcdserverpb.KV/Txn', 1_234.5);
    expect(seen[0]).toMatchObject({
      ':method': 'POST',
      ':scheme': 'http',
      ':path': '/etcdserverpb.KV/Txn',
      ':authority': endpoint.name,
      te: 'trailers',
      'content-type': 'application/grpc',
      'user-agent': 'quorate-node',
      'grpc-timeout': '1235m',
      hasleader: 'true',
      token: 'abc.7',
    });
  });

  it('say a long timeout in seconds, and none where there is none', async () => {
    const { endpoint, seen } = await peer(content);
    await call(endpoint, {}, '/a/B', 99_999_999);
    await call(endpoint, {}, '/a/B', 2 ** 31 - 1);
    await call(endpoint, {}, '/a/B', Number.POSITIVE_INFINITY);
    expect(seen.map((headers) => headers['grpc-timeout'])).toEqual(['99999999m', '2147484S', undefined]);
  });

  it.each([
    ['as it is', undefined],
    ['none', 0],
    ['small', 120],
    ['large', 65_536],
  ])('are read whatever table the server has (%s), however many there are', async (_, headerTableSize) => {
    const settings = headerTableSize === undefined ? {} : { headerTableSize };
    const { endpoint, seen, session } = await peer(content, { settings });
    const sent: Metadata[] = [];
    for (let round = 0; round < 60; round += 1) {
      const token = `token-${round % 7}-${'x'.repeat((round * 37) % 300)}`;
      const metadata: Metadata = round % 3 === 0 ? {} : { token, [`name-${round % 11}`]: 'value' };
      sent.push(metadata, metadata);
      await Promise.all([call(endpoint, metadata), call(endpoint, metadata, `/a/${round % 5}`)]);
      if (round === 30) session().settings({ headerTableSize: 64 });
      if (round === 45) session().settings({ headerTableSize: 4_096 });
    }
    expect(seen).toHaveLength(sent.length);
    for (const [index, metadata] of sent.entries()) {
      const { token } = seen[index] ?? {};
      expect(token).toBe(metadata.token);
      expect(seen[index]).toMatchObject(metadata);
    }
  });
});

describe('headers that we get', () => {
  it('are read whatever they say, shortened and numbered by the other side', async () => {
    const visible = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)).join('');
    const texts = [
      visible,
      ...Array.from({ length: 150 }, (_, index) => visible.slice(index % 95).repeat(index % 9)),
    ];
    let next = 0;
    const { endpoint } = await peer((stream) => {
      const details = encodeURIComponent(texts[next] ?? '');
      next += 1;
      answerWith(stream, { 'grpc-status': '13', 'grpc-message': details, [`x-${next % 40}`]: details });
    });
    for (const text of texts) {
      const error: CallError = await call(endpoint, {}).then(
        () => expect.unreachable(),
        (reason) => reason,
      );
      expect(error.details).toBe(text);
    }
  });

  it('every byte has its code', () => {
    // Appendix B of RFC 7541 ends with a code of thirty ones: whatever else is wrong, the lengths fill the space of codes.
    for (let byte = 0; byte < 256; byte += 1) {
      const code = codeOf(byte);
      const padded = code.padEnd(Math.ceil(code.length / 8) * 8, '1');
      const bytes = Buffer.from(padded.match(/.{8}/g)?.map((bits) => Number.parseInt(bits, 2)) ?? []);
      expect(decodeHuffman(bytes)).toBe(String.fromCharCode(byte));
    }
  });

  it('examples of RFC 7541: C.4 and C.6', () => {
    const decoder = new HeaderDecoder();
    const read = (hex: string) => [...decoder.decode(Buffer.from(hex.replaceAll(' ', ''), 'hex'))];
    expect(read('8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff')).toEqual([
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'www.example.com'],
    ]);
    expect(read('8286 84be 5886 a8eb 1064 9cbf')).toEqual([
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'www.example.com'],
      ['cache-control', 'no-cache'],
    ]);
  });

  it('noise is refused, and nothing worse', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (noise) => {
        try {
          new HeaderDecoder().decode(Buffer.from(noise));
        } catch (error) {
          expect(error).toMatchObject({ name: 'ConnectionError' });
        }
      }),
      propertyRuns(2_000),
    );
  });
});

describe('much data', () => {
  it('of one answer and of many at once, far beyond every window, arrives whole', async () => {
    const large = Buffer.alloc(24 * 1024 * 1024, 'abcdefgh');
    const framed = Buffer.concat([messageOf(''), large]);
    framed.writeUInt32BE(large.length, 1);
    const { endpoint } = await peer((stream) => answerWith(stream, { 'grpc-status': '0' }, framed));
    const answers = await Promise.all([call(endpoint, {}), call(endpoint, {}), call(endpoint, {})]);
    for (const answer of answers) expect(answer.equals(large)).toBe(true);
  });

  it('of calls that were given up does not use up the window', async () => {
    const large = Buffer.concat([messageOf(''), Buffer.alloc(3 * 1024 * 1024)]);
    large.writeUInt32BE(large.length - 5, 1);
    const { endpoint } = await peer((stream) => answerWith(stream, { 'grpc-status': '0' }, large));
    for (let round = 0; round < 30; round += 1) {
      const given = new Promise<void>((resolve) => {
        const made = endpoint.unary('/a/B', Buffer.from('ask'), {}, 5_000, {
          succeeded: () => resolve(),
          failed: () => resolve(),
        });
        setTimeout(() => made.cancel(), round % 5);
      });
      await given;
    }
    expect(await call(endpoint, {})).toHaveLength(large.length - 5);
  });

  it('of a request, to a server with a small window, arrives whole', async () => {
    let received = Buffer.alloc(0);
    const { endpoint } = await peer(
      (stream) => {
        stream.on('data', (chunk: Buffer) => {
          received = Buffer.concat([received, chunk]);
        });
        stream.on('end', () => answerWith(stream, { 'grpc-status': '0' }));
      },
      { settings: { initialWindowSize: 1_000, maxFrameSize: 20_000 } },
    );
    const text = 'request '.repeat(100_000);
    await new Promise<void>((resolve, reject) => {
      endpoint.unary('/a/B', Buffer.from(text), {}, 20_000, { succeeded: () => resolve(), failed: reject });
    });
    expect(received.equals(messageOf(text))).toBe(true);
  });
});

/** The code of a byte as text of bits, found by search: that it is the only one is the point. */
function codeOf(byte: number): string {
  const wanted = String.fromCharCode(byte);
  const found: string[] = [];
  for (const [first, length] of firstCodes) {
    for (let code = first; code < 2 ** length && code < first + 64; code += 1) {
      const bits = code.toString(2).padStart(length, '0');
      const padded = bits.padEnd(Math.ceil(length / 8) * 8, '1');
      const bytes = Buffer.from(padded.match(/.{8}/g)?.map((eight) => Number.parseInt(eight, 2)) ?? []);
      try {
        if (decodeHuffman(bytes) === wanted) found.push(bits);
      } catch {
        // No code of this length.
      }
    }
  }
  const shortest = found.filter((bits) => !found.some((other) => other !== bits && bits.startsWith(other)));
  expect(shortest, `codes of byte ${byte}`).toHaveLength(1);
  return shortest[0] ?? '';
}

/** First codes of each length, from the appendix. */
const firstCodes: readonly (readonly [first: number, length: number])[] = [
  [0x0, 5],
  [0x14, 6],
  [0x5c, 7],
  [0xf8, 8],
  [0x3f8, 10],
  [0x7fa, 11],
  [0xffa, 12],
  [0x1ff8, 13],
  [0x3ffc, 14],
  [0x7ffc, 15],
  [0x7fff0, 19],
  [0xfffe6, 20],
  [0x1fffdc, 21],
  [0x3fffd2, 22],
  [0x7fffd8, 23],
  [0xffffea, 24],
  [0x1ffffec, 25],
  [0x3ffffe0, 26],
  [0x7ffffde, 27],
  [0xfffffe2, 28],
  [0x3ffffffc, 30],
];
