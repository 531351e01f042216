/**
 * What every process that takes part in a benchmark of the queues does, be it as producer or with consumers. Those in other
 * languages do the same (`bench/peers`), so that all are measured alike:
 *
 * - arguments: `endpoint clients`; says `ready` once so many independent clients are connected;
 * - reads a command a line, and answers each with a line that begins with the word in brackets:
 *   - `fill queue first count bulk|single`: puts the jobs `first` to `first + count - 1` in as fast as it can; in bulk as suits it
 *     best, else a job a call, from 100 callers that each wait for theirs [`filled fromUs toUs`];
 *   - `pace queue first count perSecond`: puts them in one by one at this rate, however long each takes [`paced`, and for each job
 *     when it was asked to go in];
 *   - `consume queue`: starts a consumer for each client [`consuming`];
 *   - `progress` [`progress`, and how many jobs were acknowledged since `consume`];
 *   - `stop`: ends the consumers [`stopped`, how many numbers follow of starts, then `job us` for each start of a handler, then the
 *     same for each acknowledgement];
 *   - `left queue` [`left`, and how many jobs the queue still has];
 * - ends with its input.
 *
 * Times are whole microseconds of the machine's monotonic clock, which all processes share. Handlers do nothing.
 */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { nowUs } from '../locks/loop.js';
import { jobOf, payloadOf } from './payload.js';

/** One independent client of a queue's server. */
export interface QueueClient {
  /** Makes the queue ready for `put` and `putMany`. */
  open(queue: string): Promise<Producer>;
  consume(queue: string, hooks: ConsumerHooks): Promise<Consumer>;
  left(queue: string): Promise<number>;
  close(): Promise<unknown>;
}

export interface Producer {
  put(payload: string): Promise<unknown>;
  putMany(payloads: string[]): Promise<unknown>;
  close(): Promise<unknown>;
}

export interface ConsumerHooks {
  /** To be called first by the handler. */
  started(payload: string): void;
  /** To be called when the queue has confirmed that the job is done. */
  acknowledged(payload: string): void;
}

export interface Consumer {
  close(): Promise<unknown>;
}

export interface Bulk {
  /** Jobs in a call. */
  readonly size: number;
  readonly callsAtOnce: number;
}

const singleCallers = 100;
const tickMs = 1;

export async function participate(
  open: (endpoint: string) => Promise<QueueClient>,
  bulk: Bulk,
): Promise<void> {
  const [endpoint = '', clients] = process.argv.slice(2);
  const participant = new Participant(
    await Promise.all(Array.from({ length: Number(clients) }, () => open(endpoint))),
    bulk,
  );
  process.stdout.write('ready\n');
  for await (const line of createInterface({ input: process.stdin })) {
    const [command = '', queue = '', ...rest] = line.split(' ');
    const answer = await participant.obey(command, queue, rest);
    if (!process.stdout.write(`${answer.join(' ')}\n`)) await once(process.stdout, 'drain');
  }
  await participant.close();
  process.exit(0);
}

class Participant {
  readonly #clients: readonly QueueClient[];
  readonly #bulk: Bulk;
  #consumers: readonly Consumer[] = [];
  #starts: number[] = [];
  #acknowledgements: number[] = [];

  constructor(clients: readonly QueueClient[], bulk: Bulk) {
    this.#clients = clients;
    this.#bulk = bulk;
  }

  async obey(command: string, queue: string, rest: readonly string[]): Promise<(string | number)[]> {
    const [first = 0, count = 0, perSecond = 0] = rest.map(Number);
    switch (command) {
      case 'fill':
        return ['filled', ...(await this.#fill(queue, first, count, rest[2] === 'bulk'))];
      case 'pace':
        return ['paced', ...(await this.#pace(queue, first, count, perSecond))];
      case 'consume':
        await this.#consume(queue);
        return ['consuming'];
      case 'progress':
        return ['progress', this.#acknowledgements.length / 2];
      case 'stop':
        await Promise.all(this.#consumers.map((consumer) => consumer.close()));
        return ['stopped', this.#starts.length, ...this.#starts, ...this.#acknowledgements];
      case 'left':
        return ['left', await this.#first.left(queue)];
      default:
        throw new Error(`no command ${command}`);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
  }

  get #first(): QueueClient {
    const [first] = this.#clients;
    if (first === undefined) throw new Error('a participant without a client');
    return first;
  }

  async #fill(queue: string, first: number, count: number, inBulk: boolean): Promise<[number, number]> {
    const producer = await this.#first.open(queue);
    const { size, callsAtOnce } = inBulk ? this.#bulk : { size: 1, callsAtOnce: singleCallers };
    const end = first + count;
    let next = first;
    const caller = async () => {
      while (next < end) {
        const from = next;
        next = Math.min(end, from + size);
        if (inBulk)
          await producer.putMany(Array.from({ length: next - from }, (_unused, n) => payloadOf(from + n)));
        else await producer.put(payloadOf(from));
      }
    };
    const fromUs = nowUs();
    await Promise.all(Array.from({ length: callsAtOnce }, caller));
    const toUs = nowUs();
    await producer.close();
    return [fromUs, toUs];
  }

  async #pace(queue: string, first: number, count: number, perSecond: number): Promise<number[]> {
    const producer = await this.#first.open(queue);
    const asked: number[] = [];
    const puts: Promise<unknown>[] = [];
    const startUs = nowUs();
    while (asked.length < count) {
      const due = Math.min(count, Math.floor(((nowUs() - startUs) / 1_000_000) * perSecond) + 1);
      while (asked.length < due) {
        const job = first + asked.length;
        asked.push(nowUs());
        puts.push(producer.put(payloadOf(job)));
      }
      await new Promise((resolve) => setTimeout(resolve, tickMs));
    }
    await Promise.all(puts);
    await producer.close();
    return asked;
  }

  async #consume(queue: string): Promise<void> {
    const starts: number[] = [];
    const acknowledgements: number[] = [];
    this.#starts = starts;
    this.#acknowledgements = acknowledgements;
    const hooks = {
      started: (payload: string) => void starts.push(jobOf(payload), nowUs()),
      acknowledged: (payload: string) => void acknowledgements.push(jobOf(payload), nowUs()),
    };
    this.#consumers = await Promise.all(this.#clients.map((client) => client.consume(queue, hooks)));
  }
}
