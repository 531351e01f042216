import { createRequire } from 'node:module';
import {
  loadPackageDefinition,
  type Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceClientConstructor,
  type ServiceError,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const protoFile = createRequire(import.meta.url).resolve('etcd3/proto/rpc.proto');
const loaded = loadPackageDefinition(
  loadSync(protoFile, { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true }),
);
const services = loaded.etcdserverpb as unknown as Record<string, ServiceClientConstructor>;

export const header = (revision: number | string = 1) => ({
  cluster_id: '7',
  member_id: '7',
  revision: String(revision),
  raft_term: '1',
});

export interface WatchCreate {
  readonly watch_id: string;
  readonly start_revision: string;
  readonly key: Buffer;
}

/** A stream of watches as the fake server sees it. */
export interface FakeWatchStream {
  readonly metadata: Metadata;
  readonly stream: ServerDuplexStream<unknown, unknown>;
  send(response: Record<string, unknown>): void;
  /** Breaks the stream, a little later. */
  cut(): void;
}

export interface FakeAnswers {
  /** The unary answer of a method: the response, or a failure. */
  unary?(method: string, request: unknown, metadata: Metadata): Record<string, unknown> | Failure;
  watchCreate?(create: WatchCreate, watch: FakeWatchStream): void;
  watchProgress?(watch: FakeWatchStream): void;
}

export class Failure {
  readonly code: status;
  readonly details: string;

  constructor(code: status, details: string) {
    this.code = code;
    this.details = details;
  }
}

/** A gRPC server with etcd's interface that answers what a test wants it to. */
export class FakeEtcd {
  readonly endpoint: string;
  /** Every create request that arrived, in order. */
  readonly creates: WatchCreate[];
  readonly #server: Server;

  private constructor(server: Server, port: number, creates: WatchCreate[]) {
    this.#server = server;
    this.endpoint = `127.0.0.1:${port}`;
    this.creates = creates;
  }

  static async start(answers: FakeAnswers): Promise<FakeEtcd> {
    const server = new Server();
    const creates: WatchCreate[] = [];
    for (const name of ['KV', 'Lease', 'Maintenance', 'Auth', 'Watch']) {
      const service = services[name]?.service;
      if (service === undefined) throw new Error(`no service ${name}`);
      const implementation: UntypedServiceImplementation = {};
      for (const [method, { requestStream }] of Object.entries(service)) {
        if (!requestStream) implementation[method] = unaryHandler(method, answers);
      }
      if (name === 'Watch') implementation.Watch = watchHandler(answers, creates);
      server.addService(service, implementation);
    }
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound);
        else reject(error);
      });
    });
    return new FakeEtcd(server, port, creates);
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}

function unaryHandler(method: string, answers: FakeAnswers) {
  return (
    call: { request: unknown; metadata: Metadata },
    callback: (error: Partial<ServiceError> | null, response?: unknown) => void,
  ) => {
    const answer = answers.unary?.(method, call.request, call.metadata) ?? { header: header() };
    if (answer instanceof Failure) callback({ code: answer.code, details: answer.details });
    else callback(null, answer);
  };
}

function watchHandler(answers: FakeAnswers, creates: WatchCreate[]) {
  return (stream: ServerDuplexStream<unknown, unknown> & { metadata: Metadata }) => {
    const watch: FakeWatchStream = {
      metadata: stream.metadata,
      stream,
      send: (response) => stream.write({ header: header(), ...response }),
      cut: () => {
        setTimeout(() => stream.emit('error', { code: status.UNAVAILABLE, details: 'cut' }), 20);
      },
    };
    stream.on('error', () => {});
    stream.on('data', (request: { create_request?: WatchCreate; progress_request?: unknown }) => {
      if (request.create_request) {
        creates.push(request.create_request);
        answers.watchCreate?.(request.create_request, watch);
      } else if (request.progress_request) answers.watchProgress?.(watch);
    });
    stream.on('end', () => stream.end());
  };
}
