/** One contestant at work: a server, a producer and consumers of its own, warm before anything is counted. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Server } from '../servers.js';
import {
  type Account,
  account,
  earliestUs,
  type Handled,
  type Jobs,
  latenciesMs,
  parseHandled,
  ratePerSecond,
  together,
} from './accounts.js';
import type { Contestant } from './contestants.js';
import { Participant } from './participant.js';

export interface Crowd {
  readonly consumers: number;
  readonly processes: number;
  /** Independent consumers in each process, with a client and a connection each. */
  readonly clients: number;
}

/** What a job cost. Not a number where the server does not tell. */
export interface Costs {
  readonly requests: number;
  readonly raftEntries: number;
  readonly watchMessages: number;
  /** Microseconds of processor time; the clients are producer and consumers. */
  readonly serverUs: number;
  readonly clientsUs: number;
}

interface Outcome {
  readonly perSecond: number;
  readonly each: Costs;
}

const progressEveryMs = 50;
const pacedWarmUpMs = 1_000;

let names = 0;

export class Match {
  readonly accounts: Account[] = [];
  readonly #server: Server;
  readonly #producer: Participant;
  readonly #consumers: readonly Participant[];
  readonly #longestMs: number;
  #nextJob = 0;

  private constructor(server: Server, participants: readonly Participant[], longestMs: number) {
    const [producer, ...consumers] = participants;
    if (producer === undefined) throw new Error('a match without a producer');
    this.#server = server;
    this.#producer = producer;
    this.#consumers = consumers;
    this.#longestMs = longestMs;
  }

  /** `longestMs`: what is still waiting then is left in the queue. */
  static async begin(
    contestant: Contestant,
    { processes, clients }: Crowd,
    longestMs: number,
  ): Promise<Match> {
    const server = await contestant.start();
    const participants = Array.from(
      { length: processes + 1 },
      (_unused, index) =>
        new Participant(contestant.command, [server.endpoint, String(index === 0 ? 1 : clients)]),
    );
    const match = new Match(server, participants, longestMs);
    try {
      await Promise.all(participants.map((one) => one.ready()));
    } catch (error) {
      await match.end();
      throw error;
    }
    return match;
  }

  async end(): Promise<void> {
    await Promise.all([this.#producer, ...this.#consumers].map((one) => one.end()));
    await this.#server.stop();
  }

  /** Lets compilers see every path: so many jobs in bulk and as many singly, for each process of consumers. */
  async warmUp(jobsEach: number): Promise<void> {
    for (const how of ['bulk', 'single'] as const) await this.both(jobsEach * this.#consumers.length, how);
  }

  /** Jobs a second that go in, with nobody there to take them. They stay there. */
  async enqueue(count: number, how: 'bulk' | 'single'): Promise<number> {
    const { queue, jobs } = this.#new(count);
    const [fromUs, toUs] = await this.#fill(queue, jobs, how);
    const [left = Number.NaN] = await this.#producer.tell('left', 'left', queue);
    this.accounts.push(account(jobs, { starts: [], acknowledgements: [] }, left));
    return (count / (toUs - fromUs)) * 1_000_000;
  }

  /** Processes and acknowledges a backlog, with nothing going in meanwhile: from the first start of a handler. */
  async drain(count: number): Promise<Outcome> {
    const { queue, jobs } = this.#new(count);
    await this.#fill(queue, jobs, 'bulk');
    const before = await this.#costs();
    await this.#consume(queue);
    await this.#until(count);
    const after = await this.#costs();
    const handled = await this.#stop(queue, jobs);
    return this.#outcome(handled, earliestUs(handled.starts), before, after);
  }

  /** Enqueues, processes and acknowledges at the same time, from the first call to the last acknowledgement. */
  async both(count: number, how: 'bulk' | 'single' = 'bulk'): Promise<Outcome> {
    const { queue, jobs } = this.#new(count);
    await this.#consume(queue);
    const before = await this.#costs();
    const [[fromUs]] = await Promise.all([this.#fill(queue, jobs, how), this.#until(count)]);
    const after = await this.#costs();
    const handled = await this.#stop(queue, jobs);
    return this.#outcome(handled, fromUs, before, after);
  }

  /** Milliseconds from the call of enqueue to the start of the handler, at so many calls a second. */
  async latency(
    perSecond: number,
    durationMs: number,
  ): Promise<{ readonly p50: number; readonly p99: number }> {
    const rate = Math.max(1, Math.round(perSecond));
    const jobsIn = (ms: number) => Math.ceil((rate * ms) / 1_000);
    const { queue, jobs } = this.#new(jobsIn(pacedWarmUpMs + durationMs));
    await this.#consume(queue);
    const [asked] = await Promise.all([
      this.#producer.tell('paced', 'pace', queue, jobs.first, jobs.count, rate),
      this.#until(jobs.count, pacedWarmUpMs + durationMs),
    ]);
    return latenciesMs(jobs, asked, await this.#stop(queue, jobs), jobsIn(pacedWarmUpMs));
  }

  #new(count: number): { readonly queue: string; readonly jobs: Jobs } {
    names += 1;
    const jobs = { first: this.#nextJob, count };
    this.#nextJob += count;
    // No name is the beginning of another: the Go recipe reads by prefix.
    return { queue: `queue-${String(names).padStart(6, '0')}`, jobs };
  }

  async #fill(queue: string, { first, count }: Jobs, how: string): Promise<[number, number]> {
    const [fromUs = Number.NaN, toUs = Number.NaN] = await this.#producer.tell(
      'filled',
      ...['fill', queue, first, count, how],
    );
    return [fromUs, toUs];
  }

  async #consume(queue: string): Promise<void> {
    await Promise.all(this.#consumers.map((one) => one.tell('consuming', 'consume', queue)));
  }

  async #until(count: number, moreMs = 0): Promise<void> {
    const endMs = performance.now() + moreMs + this.#longestMs;
    for (;;) {
      const progress = await Promise.all(this.#consumers.map((one) => one.tell('progress', 'progress')));
      const done = progress.reduce((sum, [ofOne = 0]) => sum + ofOne, 0);
      if (done >= count || performance.now() > endMs) return;
      await delay(progressEveryMs);
    }
  }

  async #stop(queue: string, jobs: Jobs): Promise<Handled> {
    const told = await Promise.all(this.#consumers.map((one) => one.tell('stopped', 'stop')));
    const handled = together(told.map(parseHandled));
    const [left = Number.NaN] = await this.#producer.tell('left', 'left', queue);
    this.accounts.push(account(jobs, handled, left));
    return handled;
  }

  async #costs(): Promise<Costs> {
    const processes = [this.#producer, ...this.#consumers];
    const clients = await Promise.all(processes.map((one) => one.processorMs()));
    const traffic = await this.#server.traffic?.();
    return {
      requests: traffic?.requests ?? Number.NaN,
      raftEntries: traffic?.raftEntries ?? Number.NaN,
      watchMessages: traffic?.watchMessages ?? Number.NaN,
      serverUs: (await this.#server.processorMs()) * 1_000,
      clientsUs: clients.reduce((sum, ms) => sum + ms, 0) * 1_000,
    };
  }

  #outcome(handled: Handled, fromUs: number, before: Costs, after: Costs): Outcome {
    const each = (of: keyof Costs) => (after[of] - before[of]) / handled.acknowledgements.length;
    return {
      perSecond: ratePerSecond(handled, fromUs),
      each: {
        requests: each('requests'),
        raftEntries: each('raftEntries'),
        watchMessages: each('watchMessages'),
        serverUs: each('serverUs'),
        clientsUs: each('clientsUs'),
      },
    };
  }
}
