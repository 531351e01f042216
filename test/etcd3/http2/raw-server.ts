import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { FrameReader } from '../../../src/etcd3/transport/http2/frame-reader.js';
import {
  flag,
  frameHeaderBytes,
  frameType,
  preface,
  settingsPayload,
  uint32,
  writeFrameHeader,
} from '../../../src/etcd3/transport/http2/frames.js';

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

export function frameOf(type: number, flags: number, id: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(frameHeaderBytes + payload.length);
  writeFrameHeader(bytes, 0, payload.length, type, flags, id);
  payload.copy(bytes, frameHeaderBytes);
  return bytes;
}

/** Headers without numbers but for the statuses of HTTP that have one, and without compression. */
export function headersOf(headers: Readonly<Record<string, string>>): Buffer {
  const text = (value: string) => Buffer.from([value.length, ...Buffer.from(value, 'latin1')]);
  const parts = Object.entries(headers).map(([name, value]) =>
    name === ':status' && value === '200'
      ? Buffer.from([0x88])
      : Buffer.concat([Buffer.from([0]), text(name), text(value)]),
  );
  return Buffer.concat(parts);
}

export function messageOf(text: string): Buffer {
  return Buffer.concat([Buffer.from([0]), uint32(text.length), Buffer.from(text)]);
}

export const begin = headersOf({ ':status': '200', 'content-type': 'application/grpc' });
export const success = headersOf({ 'grpc-status': '0' });

/** One connection as the raw server sees it: it does nothing by itself but read. */
export class RawLink {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  /** Data bytes by stream, frames' headers left out. */
  readonly data = new Map<number, Buffer>();

  constructor(socket: Socket) {
    this.socket = socket;
  }

  send(type: number, flags: number, id: number, payload?: Buffer): void {
    this.socket.write(frameOf(type, flags, id, payload));
  }

  settings(...settings: readonly (readonly [id: number, value: number])[]): void {
    this.send(frameType.settings, 0, 0, settingsPayload(settings));
  }

  /** Answers a call as a gRPC server does that is content. */
  answer(id: number, text = 'yes'): void {
    this.socket.write(
      Buffer.concat([
        frameOf(frameType.headers, flag.endHeaders, id, begin),
        frameOf(frameType.data, 0, id, messageOf(text)),
        frameOf(frameType.headers, flag.endHeaders | flag.endStream, id, success),
      ]),
    );
  }

  goAway(lastId: number, code = 0, words = ''): void {
    this.send(frameType.goAway, 0, 0, Buffer.concat([uint32(lastId, code), Buffer.from(words)]));
  }

  of(type: number): readonly Frame[] {
    return this.frames.filter((frame) => frame.type === type);
  }
}

export interface RawServerOptions {
  /** What is sent as soon as the client has said hello; default: empty settings. */
  hello?: (link: RawLink) => void;
  onFrame?: (frame: Frame, link: RawLink) => void;
}

/** A server that sends exactly the frames that a test wants it to, and remembers all that it got. */
export class RawServer {
  readonly endpoint: string;
  readonly links: RawLink[];
  readonly #close: () => void;

  private constructor(port: number, links: RawLink[], close: () => void) {
    this.endpoint = `127.0.0.1:${port}`;
    this.links = links;
    this.#close = close;
  }

  static async start(options: RawServerOptions = {}): Promise<RawServer> {
    const links: RawLink[] = [];
    const server = createServer({ noDelay: true }, (socket) => {
      const link = new RawLink(socket);
      links.push(link);
      serve(link, options);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no TCP address');
    return new RawServer(address.port, links, () => {
      for (const { socket } of links) socket.destroy();
      server.close();
    });
  }

  get link(): RawLink {
    const link = this.links.at(-1);
    if (link === undefined) throw new Error('nobody has connected');
    return link;
  }

  close(): void {
    this.#close();
  }
}

function serve(link: RawLink, options: RawServerOptions): void {
  const reader = new FrameReader();
  let greeting = Buffer.alloc(0);
  let greeted = false;
  link.socket.on('error', () => {});
  link.socket.on('data', (chunk: Buffer) => {
    let bytes = chunk;
    if (!greeted) {
      greeting = Buffer.concat([greeting, chunk]);
      if (greeting.length < preface.length) return;
      if (greeting.toString('latin1', 0, preface.length) !== preface)
        throw new Error('no greeting of HTTP/2');
      greeted = true;
      bytes = greeting.subarray(preface.length);
      if (options.hello === undefined) link.settings();
      else options.hello(link);
    }
    reader.read(bytes, (type, flags, id, shared) => {
      const frame = { type, flags, id, payload: Buffer.from(shared) };
      link.frames.push(frame);
      if (type === frameType.data) {
        link.data.set(id, Buffer.concat([link.data.get(id) ?? Buffer.alloc(0), frame.payload]));
      }
      options.onFrame?.(frame, link);
    });
  });
}
