/** What the runner gives to a flow, and what a flow gives back. */
import { randomBytes } from 'node:crypto';
import { Client } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';
import type { Cluster } from './cluster.js';
import { ExampleProcess } from './example-process.js';

/** Something that must hold at the end of a flow, and what was seen of it. */
export interface Claim {
  readonly claim: string;
  readonly evidence: string;
  readonly holds: boolean;
}

/** One run of one flow, in a namespace of its own. Ends its processes and removes its keys when it is closed. */
export class Flow {
  readonly namespace: string;
  readonly #cluster: Cluster;
  readonly #name: string;
  readonly #startedMs = performance.now();
  readonly #processes: ExampleProcess[] = [];

  constructor(cluster: Cluster, name: string) {
    this.#cluster = cluster;
    this.#name = name;
    this.namespace = `demo-${name}-${randomBytes(4).toString('hex')}`;
  }

  start(script: URL, label: string, settings: Readonly<Record<string, string>> = {}): ExampleProcess {
    const started = new ExampleProcess(script, {
      label,
      endpoints: this.#cluster.endpoints,
      namespace: this.namespace,
      settings,
    });
    this.#processes.push(started);
    return started;
  }

  /** The runner's own view of the store. */
  async client(): Promise<Client> {
    const store = await openEtcd3Store({ hosts: this.#cluster.endpoints.split(',') });
    return Client.open({ store, closeStore: true, namespace: this.namespace, label: 'runner' });
  }

  say(line: string): void {
    const seconds = ((performance.now() - this.#startedMs) / 1_000).toFixed(1).padStart(5);
    console.log(`${seconds} s  ${this.#name.padEnd(13)}  ${line}`);
  }

  async close(): Promise<void> {
    await Promise.all(this.#processes.filter((one) => one.isRunning).map((one) => one.crash()));
    await this.#cluster.removeEverything(`${this.namespace}/`);
  }
}
