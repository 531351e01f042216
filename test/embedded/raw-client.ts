import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import {
  type ClientDuplexStream,
  credentials,
  loadPackageDefinition,
  type ServiceClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

export type Message = Record<string, unknown>;

/** A client that says exactly what it is told to, and shows exactly what comes back. 64-bit numbers are digits. */
export interface RawClient {
  call(service: string, method: string, request: Message): Promise<Message>;
  stream(service: string, method: string): RawStream;
  close(): void;
}

const require = createRequire(import.meta.url);
const proto = join(dirname(require.resolve('etcd3/package.json')), 'proto', 'rpc.proto');
const definitions = loadPackageDefinition(
  loadSync(proto, { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true }),
).etcdserverpb as unknown as Record<string, ServiceClientConstructor>;

export function connectRaw(endpoint: string): RawClient {
  const clients = new Map<string, InstanceType<ServiceClientConstructor>>();
  const client = (service: string) => {
    const known = clients.get(service);
    if (known !== undefined) return known;
    const Constructor = definitions[service];
    if (Constructor === undefined) throw new Error(`no service ${service}`);
    const made = new Constructor(endpoint, credentials.createInsecure());
    clients.set(service, made);
    return made;
  };
  return {
    call(service, method, request) {
      return new Promise<Message>((resolve, reject) => {
        const stub = client(service);
        (
          stub[method] as (
            request: Message,
            done: (error: ServiceError | null, reply: Message) => void,
          ) => void
        ).call(stub, request, (error, reply) => (error === null ? resolve(reply) : reject(error)));
      });
    },
    stream(service, method) {
      const stub = client(service);
      return new RawStream((stub[method] as () => ClientDuplexStream<Message, Message>).call(stub));
    },
    close() {
      for (const stub of clients.values()) stub.close();
    },
  };
}

/** A stream whose messages are read one by one, or not at all. */
export class RawStream {
  readonly raw: ClientDuplexStream<Message, Message>;
  readonly #messages: Message[] = [];
  readonly #waiting: ((message: Message) => void)[] = [];
  readonly ended: Promise<{ code: number; details: string }>;

  constructor(raw: ClientDuplexStream<Message, Message>) {
    this.raw = raw;
    this.ended = new Promise((resolve) => {
      raw.on('status', (status: { code: number; details: string }) => resolve(status));
    });
    raw.on('error', () => {});
  }

  send(message: Message): void {
    this.raw.write(message);
  }

  /** Starts reading with the first call. */
  async next(timeoutMs = 20_000): Promise<Message> {
    if (this.raw.listenerCount('data') === 0) {
      this.raw.on('data', (message: Message) => {
        const reader = this.#waiting.shift();
        if (reader) reader(message);
        else this.#messages.push(message);
      });
    }
    const ready = this.#messages.shift();
    if (ready !== undefined) return ready;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`no message within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#waiting.push((message) => {
        clearTimeout(timer);
        resolve(message);
      });
    });
  }

  async collect(count: number): Promise<Message[]> {
    const messages: Message[] = [];
    while (messages.length < count) messages.push(await this.next());
    return messages;
  }

  cancel(): void {
    this.raw.cancel();
  }
}

export const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
