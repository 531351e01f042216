/** The readers of a run, and what they were given. */
import type { GivenConfig, ToldConfig } from '../../src/checkers/index.js';
import { Config, type ConfigSnapshot } from '../../src/config/index.js';
import { isQuorateError } from '../../src/errors.js';
import { sleep } from '../../src/runtime/index.js';
import type { SimulatedProcess, Simulation } from '../../src/simulator/index.js';
import type { Key } from '../../src/store/index.js';
import type { Seat } from '../support/seats.js';
import { type Documents, documentNames, documentsOf } from './documents.js';
import type { Situation } from './situations.js';
import type { ProcessPlan } from './workload.js';

/** One life of a process as a reader. */
export interface Reader {
  readonly process: SimulatedProcess;
  readonly incarnation: number;
  readonly told: {
    process: string;
    scope: string;
    instance: ToldConfig['instance'];
    given: GivenConfig[];
    looks: { atMs: number; revision: number; stalenessMs: number }[];
    syncs: { calledAtMs: number; revision: number }[];
  };
  config?: Config;
}

export interface ReadingOptions {
  readonly name: string;
  readonly simulation: Simulation;
  readonly stamp: Key;
  readonly reached: (situation: Situation) => void;
}

/** A member that is cut off tells only after seconds that it cannot answer. */
const openWithinMs = 15_000;
const retryMs = 200;
const lookEveryMs = 70;
/** With a proof a second, and what it takes. */
const freshMs = 6_000;

export class Reading {
  readonly readers: Reader[] = [];
  readonly #options: ReadingOptions;

  constructor(options: ReadingOptions) {
    this.#options = options;
  }

  start(seat: Seat, plan: ProcessPlan): Reader {
    const { process, incarnation } = seat;
    const { scope } = plan;
    const zone = `z${process.index % 2}`;
    const instance = { id: process.name, addresses: [`10.0.0.${process.index}`], labels: { zone } };
    const told = { process: process.name, scope, instance, given: [], looks: [], syncs: [] };
    const reader: Reader = { process, incarnation, told };
    this.readers.push(reader);
    void this.#read(seat, plan, reader);
    return reader;
  }

  isStanding({ process, incarnation }: Reader): boolean {
    return process.isCore && process.status !== 'crashed' && process.incarnation === incarnation;
  }

  /** One that has not been given the newest, though nothing hinders it. */
  behind(): string | undefined {
    const { stamp, simulation } = this.#options;
    const last = simulation.engine.range({ key: stamp }).kvs[0]?.modRevision ?? 0;
    const reader = this.readers.find((one) => {
      const { config } = one;
      const isNew = config !== undefined && config.snapshot.revision >= last && config.stalenessMs < freshMs;
      return this.isStanding(one) && !isNew;
    });
    return reader && `the reader of ${reader.process.name} was not given the newest`;
  }

  async #read({ client }: Seat, plan: ProcessPlan, reader: Reader): Promise<void> {
    const { runtime } = client;
    const documents = documentsOf(runtime, plan.schemaMs);
    const config = await this.#open(client, plan, reader, documents);
    reader.config = config;
    let failed = 0;
    const give = (snapshot: ConfigSnapshot) => {
      const values = Object.fromEntries(documentNames.map((name) => [name, snapshot.get(documents[name])]));
      reader.told.given.push({ revision: snapshot.revision, values });
      const [a, b] = documentNames.map((name) => snapshot.view(documents[name]));
      if (a?.rollout !== undefined) this.#options.reached('a reader took a rollout');
      if (a !== undefined && a.revision > 0 && a.revision === b?.revision) {
        this.#options.reached('documents that were changed together were given together');
      }
      if (failed > 0) this.#options.reached('readers went on after a failure was mended');
      failed = 0;
    };
    give(config.snapshot);
    config.onUpdate(({ snapshot }) => give(snapshot));
    config.onProblem(() => {
      failed += 1;
      this.#options.reached('a revision was not given, since a document failed its schema');
    });
    for (;;) {
      const { revision } = config.snapshot;
      const { nowMs: atMs } = this.#options.simulation;
      reader.told.looks.push({ atMs, revision, stalenessMs: config.stalenessMs });
      await sleep(runtime, lookEveryMs);
    }
  }

  /** Tries until it is open. */
  async #open(
    client: Seat['client'],
    plan: ProcessPlan,
    reader: Reader,
    documents: Documents,
  ): Promise<Config> {
    const { scope, proveEveryMs } = plan;
    const { instance } = reader.told;
    for (;;) {
      try {
        return await Config.open(client, this.#options.name, {
          ...{ documents: documentNames.map((name) => documents[name]), scope, instance, proveEveryMs },
          timeoutMs: openWithinMs,
        });
      } catch (error) {
        if (!isQuorateError(error) || error.code === 'internal') throw error;
        if (error.code === 'codec') {
          this.#options.reached('a reader could not begin, since a document failed its schema');
        }
        await sleep(client.runtime, retryMs);
      }
    }
  }
}
