/** Readers without a group: everybody reads for himself, from where he likes, and nothing of it is stored. */
import type { QuorateError } from '../../../errors.js';
import type { Payloads } from '../../../payload/index.js';
import type { Client } from '../../../session/index.js';
import { asQuorateError } from '../failures.js';
import type { TopicMessage } from '../group/delivery.js';
import type { TopicKeys } from '../keys.js';
import type { Gap } from '../position.js';
import { PartitionReader, type Reading, type StartingPlace } from './partition-reader.js';

/** What a reader is told of a topic. */
export type ReadItem<T> =
  | ({ readonly type: 'message' } & TopicMessage<T>)
  /** Retention was faster than this reader. */
  | ({ readonly type: 'gap' } & Gap)
  /** A message that the codec or the schema refuses. */
  | ({ readonly type: 'unreadable'; readonly error: QuorateError } & Omit<TopicMessage<T>, 'value'>);

export interface TopicReading<T> {
  readonly client: Client;
  readonly keys: TopicKeys;
  readonly payloads: Payloads<T>;
  readonly partitions: readonly number[];
  readonly places: readonly StartingPlace[];
  /** It waits for more where there is none. */
  readonly follows: boolean;
  readonly framesPerPage: number;
  readonly signal: AbortSignal;
}

interface Arrived {
  readonly partition: number;
  readonly reading: Reading;
  /** It is taken: the next one may be read. */
  taken(): void;
}

export async function* readTopic<T>(options: TopicReading<T>): AsyncGenerator<ReadItem<T>, void, void> {
  const { payloads, partitions, signal } = options;
  const arrivals = new Arrivals(options);
  let left = partitions.length;
  try {
    while (left > 0) {
      const arrived = await arrivals.next();
      if (arrived === undefined) return;
      const { partition, reading, taken } = arrived;
      if (reading.type === 'end') left -= 1;
      else if (reading.type === 'gap') yield { type: 'gap', ...reading.gap };
      else {
        for (const { revision, index, key, publishedAtMs, payload } of reading.messages) {
          if (signal.aborted) return;
          const message = { partition, revision, index, key, publishedAtMs };
          yield await decoded(payloads, message, payload);
        }
      }
      taken();
    }
  } finally {
    arrivals.close();
  }
}

async function decoded<T>(
  payloads: Payloads<T>,
  message: Omit<TopicMessage<T>, 'value'>,
  payload: Uint8Array,
): Promise<ReadItem<T>> {
  try {
    return { type: 'message', ...message, value: await payloads.decode(payload) };
  } catch (error) {
    return { type: 'unreadable', ...message, error: asQuorateError(error) };
  }
}

/** Partitions are read side by side, each no further than what of it was not taken yet. */
class Arrivals {
  readonly #readers: readonly PartitionReader[];
  readonly #signal: AbortSignal;
  readonly #waiting: Arrived[] = [];
  #failure: unknown;
  #hasFailed = false;
  #wake: () => void = () => {};

  constructor({
    client,
    keys,
    partitions,
    places,
    follows,
    framesPerPage,
    signal,
  }: Omit<TopicReading<unknown>, 'payloads'>) {
    this.#signal = signal;
    this.#readers = partitions.map((partition, index) => {
      const from = places[index] as StartingPlace;
      return new PartitionReader({ client, keys, partition, from, follows, framesPerPage });
    });
    signal.addEventListener('abort', this.#onAbort, { once: true });
    for (const [index, reader] of this.#readers.entries()) void this.#read(partitions[index] ?? 0, reader);
  }

  readonly #onAbort = (): void => this.#wake();

  /** Undefined once the signal has fired. */
  async next(): Promise<Arrived | undefined> {
    for (;;) {
      if (this.#signal.aborted) return undefined;
      const arrived = this.#waiting.shift();
      if (arrived !== undefined) return arrived;
      if (this.#hasFailed) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
    for (const reader of this.#readers) reader.close();
  }

  async #read(partition: number, reader: PartitionReader): Promise<void> {
    try {
      for (;;) {
        const reading = await reader.next(this.#signal);
        await new Promise<void>((taken) => {
          this.#waiting.push({ partition, reading, taken });
          this.#wake();
        });
        if (reading.type === 'end') return;
      }
    } catch (error) {
      this.#failure = error;
      this.#hasFailed = true;
      this.#wake();
    }
  }
}
