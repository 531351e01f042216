import { QuorateError } from '../errors.js';
import type { Runtime, Timer } from '../runtime/index.js';
import { messageOf } from './grpc-errors.js';
import type { Endpoint } from './transport/transport.js';

/** How long one endpoint is waited for before the next is tried beside it. */
const staggerMs = 300;

/**
 * The endpoints of a cluster, one of them current. Calls go to the current one while it is connected; when it is
 * not, or has been reported, the others are tried and the first that connects becomes current.
 */
export class EndpointPool {
  readonly endpoints: readonly Endpoint[];
  readonly #runtime: Runtime;
  readonly #connectTimeoutMs: number;
  #current: Endpoint;
  #connecting: Promise<Endpoint> | undefined;

  constructor(endpoints: readonly Endpoint[], runtime: Runtime, connectTimeoutMs: number) {
    const first = endpoints[0];
    if (first === undefined) throw new QuorateError('internal', 'a pool without endpoints');
    this.endpoints = endpoints;
    this.#runtime = runtime;
    this.#connectTimeoutMs = connectTimeoutMs;
    this.#current = first;
  }

  /** The current endpoint if it is connected. */
  ready(): Endpoint | undefined {
    return this.#current.isReady() ? this.#current : undefined;
  }

  /** Some connected endpoint. All callers of a moment share one attempt. Rejects with `unavailable`. */
  connect(): Promise<Endpoint> {
    const current = this.ready();
    if (current !== undefined) return Promise.resolve(current);
    this.#connecting ??= this.#connectAny().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  /** Turns away from an endpoint that failed a call, if there is another. */
  report(endpoint: Endpoint): void {
    if (this.#current !== endpoint) return;
    const next = this.endpoints[(this.endpoints.indexOf(endpoint) + 1) % this.endpoints.length];
    if (next !== undefined) this.#current = next;
  }

  #connectAny(): Promise<Endpoint> {
    const start = this.endpoints.indexOf(this.#current);
    const order = [...this.endpoints.slice(start), ...this.endpoints.slice(0, start)];
    const failures: string[] = [];
    return new Promise((resolve, reject) => {
      let tried = 0;
      let timer: Timer | undefined;
      const tryNext = () => {
        timer?.cancel();
        const endpoint = order[tried];
        if (endpoint === undefined) return;
        tried += 1;
        if (tried < order.length) timer = this.#runtime.setTimer(staggerMs, tryNext);
        endpoint.connect(this.#connectTimeoutMs).then(
          () => {
            timer?.cancel();
            this.#current = endpoint;
            resolve(endpoint);
          },
          (error: unknown) => {
            failures.push(`${endpoint.name}: ${messageOf(error)}`);
            if (failures.length === order.length) reject(this.#unavailable(failures));
            else tryNext();
          },
        );
      };
      tryNext();
    });
  }

  #unavailable(failures: readonly string[]): QuorateError {
    return new QuorateError('unavailable', `no endpoint answers: ${failures.join('; ')}`, {
      details: { endpoints: this.endpoints.map(({ name }) => name) },
    });
  }
}
