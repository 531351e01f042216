import { invalidArgument, isPermanent, isQuorateError, QuorateError } from '../../errors.js';
import { Backoff, type Runtime, sleep, waitFor } from '../../runtime/index.js';
import { type Client, checkClient } from '../../session/index.js';
import type { CallOptions, Keyspace, Store, StoreStatus } from '../../store/index.js';
import type { ConfigReaderClient } from '../config.js';

const retryDelay = { firstMs: 100, longestMs: 5_000 };

/** Opens a client. The signal fires when it is not wanted any more. */
export type Connect = (options: { readonly signal: AbortSignal }) => Client | Promise<Client>;

export interface LaterConnectionOptions {
  readonly connect: Connect;
  readonly keys: Keyspace;
  readonly runtime: Runtime;
  /** The cluster that it must be, if it must be a certain one. */
  readonly clusterId: string | undefined;
  readonly closeClient: boolean;
  readonly onFailure: (error: unknown) => void;
}

/** What a configuration is read from, before there is a connection: requests wait for it. It is tried again until it succeeds. */
export class LaterConnection {
  readonly source: ConfigReaderClient;
  readonly #options: LaterConnectionOptions;
  readonly #closed = new AbortController();
  readonly #connecting: Promise<Client>;
  #client: Client | undefined;

  constructor(options: LaterConnectionOptions) {
    const { keys, runtime } = options;
    this.#options = options;
    this.source = { keys, runtime, label: 'offline', store: this.#store() };
    this.#connecting = this.#connect();
    // Whoever asks for something is told.
    this.#connecting.catch(() => {});
  }

  get client(): Client | undefined {
    return this.#client;
  }

  /** Never rejects. */
  async close(): Promise<void> {
    this.#closed.abort(new QuorateError('closed', 'the configuration is closed'));
    const client = this.#client;
    this.#client = undefined;
    if (client !== undefined && this.#options.closeClient) await client.close();
  }

  #store(): Pick<Store, 'status' | 'range' | 'watch'> {
    return {
      status: (options) => this.#status(options),
      range: async (request, options) => (await this.#connected(options)).store.range(request, options),
      watch: (request) => {
        // Nothing is watched before it was asked of which cluster it is.
        if (this.#client === undefined) throw new QuorateError('closed', 'there is no connection');
        return this.#client.store.watch(request);
      },
    };
  }

  #connected(options: CallOptions = {}): Promise<Client> {
    return waitFor(this.#options.runtime, this.#connecting, options, 'connecting');
  }

  async #status(options?: CallOptions): Promise<StoreStatus> {
    const { clusterId } = this.#options;
    const status = await (await this.#connected(options)).store.status(options);
    if (clusterId === undefined || status.clusterId === clusterId) return status;
    throw invalidArgument(
      `the cluster that answers is ${status.clusterId}`,
      `clusterId, which is ${clusterId}`,
    );
  }

  async #connect(): Promise<Client> {
    const { connect, runtime, onFailure } = this.#options;
    const { signal } = this.#closed;
    const backoff = new Backoff(runtime, retryDelay);
    for (;;) {
      try {
        return await this.#take(await connect({ signal }));
      } catch (error) {
        if (signal.aborted) throw error;
        onFailure(error);
        // What `connect` itself throws says nothing of whether it would succeed later.
        if (isQuorateError(error) && isPermanent(error)) throw error;
      }
      await sleep(runtime, backoff.nextMs(), { signal });
    }
  }

  async #take(client: Client): Promise<Client> {
    checkClient(client, 'what connect gave');
    const { keys, closeClient } = this.#options;
    const isWanted = !this.#closed.signal.aborted;
    if (isWanted && client.keys.namespace === keys.namespace) {
      this.#client = client;
      return client;
    }
    if (closeClient) await client.close();
    if (!isWanted) throw new QuorateError('closed', 'the configuration is closed');
    throw invalidArgument(
      `the client's namespace is ${client.keys.namespace}`,
      `namespace, ${keys.namespace}`,
    );
  }
}
