import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

interface Link {
  readonly client: Socket;
  readonly server: Socket;
}

/**
 * A TCP proxy on loopback in front of one server, which misbehaves on request. It knows no protocol: what it
 * swallows from a connection breaks that connection's framing, so `loseReplies` is followed by `cut`.
 */
export class TcpProxy {
  readonly #target: { host: string; port: number };
  readonly #links = new Set<Link>();
  #listener: Server | undefined;
  #port = 0;
  #holes = false;
  #losing = false;
  #delayMs = 0;
  #bytesUntilCut: number | undefined;

  private constructor(target: { host: string; port: number }) {
    this.#target = target;
  }

  /** Starts a proxy in front of `host:port`. */
  static async start(endpoint: string): Promise<TcpProxy> {
    const [host = '127.0.0.1', port] = endpoint.split(':');
    const proxy = new TcpProxy({ host, port: Number(port) });
    await proxy.accept();
    return proxy;
  }

  get endpoint(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get connections(): number {
    return this.#links.size;
  }

  /** Resets every connection; new ones are accepted. */
  cut(): void {
    for (const link of [...this.#links]) this.#drop(link);
  }

  /** Resets every connection once the server has sent so many more bytes. */
  cutAfter(bytes: number): void {
    this.#bytesUntilCut = bytes;
  }

  /** Resets every connection and refuses new ones until `accept()`. */
  async refuse(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    const closed = listener === undefined ? undefined : once(listener, 'close');
    listener?.close();
    this.cut();
    await closed;
  }

  /** Accepts connections (again), at the same port. */
  async accept(): Promise<void> {
    if (this.#listener !== undefined) return;
    const listener = createServer({ noDelay: true }, (client) => this.#link(client));
    listener.listen(this.#port, '127.0.0.1');
    await once(listener, 'listening');
    const address = listener.address();
    if (address === null || typeof address === 'string') throw new Error('no TCP address');
    this.#port = address.port;
    this.#listener = listener;
  }

  /** From now on nothing passes either way, and nobody is told: connections stand half-open. */
  blackHole(): void {
    this.#holes = true;
  }

  /** What passes from now on passes; connections that lost bytes stay broken, so they are reset. */
  heal(): void {
    const broken = this.#holes || this.#losing;
    this.#holes = false;
    this.#losing = false;
    this.#delayMs = 0;
    if (broken) this.cut();
  }

  /** Requests arrive, replies do not. */
  loseReplies(): void {
    this.#losing = true;
  }

  /** Delays what the server sends. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  async close(): Promise<void> {
    await this.refuse();
  }

  #link(client: Socket): void {
    const link: Link = { client, server: connect({ ...this.#target, noDelay: true }) };
    this.#links.add(link);
    for (const socket of [link.client, link.server]) {
      socket.on('error', () => this.#drop(link));
      socket.on('close', () => this.#drop(link));
    }
    client.on('data', (chunk) => {
      if (!this.#holes) link.server.write(chunk);
    });
    link.server.on('data', (chunk) => this.#reply(link, chunk));
  }

  #reply(link: Link, chunk: Buffer): void {
    if (this.#holes || this.#losing) return;
    if (this.#delayMs > 0) setTimeout(() => link.client.write(chunk), this.#delayMs);
    else link.client.write(chunk);
    if (this.#bytesUntilCut === undefined) return;
    this.#bytesUntilCut -= chunk.length;
    if (this.#bytesUntilCut > 0) return;
    this.#bytesUntilCut = undefined;
    this.cut();
  }

  #drop(link: Link): void {
    if (!this.#links.delete(link)) return;
    link.client.resetAndDestroy();
    link.server.resetAndDestroy();
  }
}
