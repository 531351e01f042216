import { isQuorateError } from '../../src/errors.js';
import { MemoryServer } from '../../src/memory/index.js';
import { FifoQueue, type Job, Worker, type WorkerEvent } from '../../src/queues/index.js';
import { sleep } from '../../src/runtime/index.js';
import { type KeyEvent, Keyspace, put } from '../../src/store/index.js';
import { type Fault, seededRandom } from '../support/faulty-store.js';
import { ManualRuntime, ManualTime } from '../support/manual-runtime.js';
import { type EnqueueCall, type HistoryCounts, QueueHistory } from './queue-history.js';
import { SimulatedProcess } from './simulated-process.js';

export interface ProducerPlan {
  readonly items: number;
  /** Calls made at once, without waiting for one another. */
  readonly burst: number;
  readonly gapMs: number;
}

export interface WorkerPlan {
  readonly concurrency: number;
  readonly prefetch: number;
  readonly handlerMs: number;
  /** The n-th attempts at jobs fail by this share. */
  readonly failing: number;
  /** Handlers ignore their signal, and acknowledge however late. */
  readonly stubborn: boolean;
}

export interface Disturbance {
  readonly atMs: number;
  readonly kind: 'kill' | 'pause' | 'cut' | 'mute' | 'close';
  /** Index among workers, then producers. */
  readonly process: number;
  readonly forMs: number;
}

export interface QueuePlan {
  readonly seed: number;
  /** Chance that a request meets a fault. */
  readonly faultRate: number;
  /** Waiting items that a dispatcher holds in memory. */
  readonly mirror: number;
  readonly producers: readonly ProducerPlan[];
  readonly workers: readonly WorkerPlan[];
  readonly disturbances: readonly Disturbance[];
}

export interface SimulationResult {
  readonly counts: HistoryCounts;
  readonly events: Readonly<Record<WorkerEvent<string>['type'], number>>;
  readonly calls: readonly EnqueueCall[];
  readonly virtualMs: number;
}

const namespace = 'sim';
const longestMs = 240_000;
const kinds: readonly Fault[] = [
  'refuse',
  'lose-request',
  'lose-reply',
  'timeout-lost',
  'timeout-applied',
  'late',
];

/**
 * Runs producers and workers as processes of their own on virtual time, with faults; then heals everything, lets a
 * fresh worker finish the rest, and holds the whole history to the invariants.
 */
export async function simulate(plan: QueuePlan): Promise<SimulationResult> {
  const simulation = new Simulation(plan);
  try {
    return await simulation.run();
  } finally {
    await simulation.end();
  }
}

class Simulation {
  readonly #plan: QueuePlan;
  readonly #time = new ManualTime();
  readonly #server: MemoryServer;
  readonly #events: KeyEvent[] = [];
  readonly #processes: SimulatedProcess[] = [];
  readonly #workers: { worker: Worker<string>; process: SimulatedProcess }[] = [];
  readonly #calls: EnqueueCall[] = [];
  readonly #seen: Record<string, number> = {};
  readonly #random: () => number;
  #order = 0;
  #disturbed = true;

  constructor(plan: QueuePlan) {
    this.#plan = plan;
    this.#random = seededRandom(plan.seed);
    this.#server = new MemoryServer({ runtime: new ManualRuntime({ time: this.#time }) });
  }

  async run(): Promise<SimulationResult> {
    void this.#record();
    for (const worker of this.#plan.workers) await this.#startWorker(worker);
    const producing = Promise.all(this.#plan.producers.map((producer, n) => this.#produce(producer, n)));
    let produced = false;
    void producing.then(() => {
      produced = true;
    });
    const due = [...this.#plan.disturbances].sort((a, b) => a.atMs - b.atMs);
    const lastMs = Math.max(0, ...due.map(({ atMs, forMs }) => atMs + forMs)) + 500;
    let healed = false;
    while (this.#time.nowMs < longestMs) {
      await this.#time.advance(20);
      while ((due[0]?.atMs ?? Number.POSITIVE_INFINITY) <= this.#time.nowMs) this.#disturb(due.shift());
      if (!healed && this.#time.nowMs > lastMs && (produced || this.#time.nowMs > lastMs + 30_000)) {
        healed = true;
        await this.#heal();
      }
      if (healed && produced && this.#count('sim/queue/jobs/i/') === 0) break;
    }
    // What was sent long ago and may still arrive must change nothing.
    for (const process of this.#processes) await process.network.releaseHeld();
    await this.#time.advance(2_000);
    const virtualMs = this.#time.nowMs;
    const history = new QueueHistory(new Keyspace(namespace).prefix('queue', 'jobs'), `${namespace}/effect/`);
    history.replay(this.#events);
    history.checkCalls(this.#calls, { drained: true });
    return {
      counts: history.counts,
      events: this.#seen as SimulationResult['events'],
      calls: this.#calls,
      virtualMs,
    };
  }

  async end(): Promise<void> {
    await this.#server.close();
  }

  async #record(): Promise<void> {
    const watch = this.#server.connect().watch({ key: 'sim/', rangeEnd: 'sim0', fromRevision: 1 });
    for await (const item of watch) if (item.type === 'events') this.#events.push(...item.events);
  }

  #process(): SimulatedProcess {
    const rate = this.#plan.faultRate / kinds.length;
    const process = new SimulatedProcess({
      time: this.#time,
      store: this.#server.connect(),
      seed: Math.floor(this.#random() * 2 ** 31) + 1,
      faults: { rates: Object.fromEntries(kinds.map((kind) => [kind, rate])) },
    });
    this.#processes.push(process);
    return process;
  }

  async #within<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = () => {
      settled = true;
    };
    promise.then(done, done);
    while (!settled) await this.#time.advance(20);
    return promise;
  }

  async #startWorker(plan: WorkerPlan): Promise<void> {
    const process = this.#process();
    const client = await this.#within(process.connect(namespace));
    const queue = new FifoQueue<string>(client, 'jobs');
    const worker = new Worker(queue, (job, { signal }) => this.#handle(plan, process, job, signal), {
      concurrency: plan.concurrency,
      prefetch: plan.prefetch,
      mirror: this.#plan.mirror,
      retryDelay: { firstMs: 50, longestMs: 400 },
    });
    worker.on((event) => {
      this.#seen[event.type] = (this.#seen[event.type] ?? 0) + 1;
    });
    this.#workers.push({ worker, process });
    void worker.run();
  }

  async #handle(
    plan: WorkerPlan,
    process: SimulatedProcess,
    job: Job<string>,
    signal: AbortSignal,
  ): Promise<void> {
    const options = plan.stubborn ? {} : { signal };
    const handlerMs = this.#disturbed ? plan.handlerMs : Math.min(plan.handlerMs, 20);
    if (handlerMs > 0) await sleep(process.runtime, handlerMs * (0.5 + this.#random()), options);
    if (this.#disturbed && this.#random() < plan.failing) throw new Error('a handler that fails');
    const effect = put(`${namespace}/effect/${job.payload}`, String(job.generation));
    await job.complete({ txn: { success: [effect] } });
  }

  async #produce(plan: ProducerPlan, index: number): Promise<void> {
    const process = this.#process();
    const client = await process.connect(namespace);
    const queue = new FifoQueue<string>(client, 'jobs');
    const producer = `p${index}`;
    for (let sent = 0; sent < plan.items && !process.isDead; ) {
      const burst = Math.min(plan.burst, plan.items - sent);
      const calls = Array.from({ length: burst }, (_, n) =>
        this.#enqueue(queue, producer, `${producer}-${sent + n}`),
      );
      sent += burst;
      await Promise.race([Promise.all(calls), this.#death(process)]);
      if (plan.gapMs > 0) await Promise.race([sleep(process.runtime, plan.gapMs), this.#death(process)]);
    }
  }

  /** Nobody waits for the calls of a process that was killed. */
  async #death(process: SimulatedProcess): Promise<void> {
    while (!process.isDead) await new Promise((resolve) => this.#onDeath.push(resolve));
  }
  readonly #onDeath: ((value: unknown) => void)[] = [];

  async #enqueue(queue: FifoQueue<string>, producer: string, payload: string): Promise<void> {
    this.#order += 1;
    const call: EnqueueCall = { payload, producer, calledAt: this.#order, outcome: 'pending' };
    this.#calls.push(call);
    try {
      const { id } = await queue.enqueue(payload, { timeoutMs: 20_000 });
      Object.assign(call, { id, outcome: 'enqueued' });
    } catch (error) {
      call.outcome = isQuorateError(error) ? error.outcome : 'unknown';
    }
    this.#order += 1;
    call.returnedAt = this.#order;
  }

  #disturb(disturbance: Disturbance | undefined): void {
    const targets = [
      ...this.#workers.map((entry) => entry.process),
      ...this.#processes.slice(this.#workers.length),
    ];
    const process = targets[(disturbance?.process ?? 0) % targets.length];
    if (disturbance === undefined || process === undefined || process.isDead) return;
    if (disturbance.kind === 'kill') {
      process.kill();
      for (const notify of this.#onDeath.splice(0)) notify(undefined);
      return;
    }
    if (disturbance.kind === 'close') {
      const entry = this.#workers.find((each) => each.process === process);
      if (entry !== undefined) void entry.worker.close({ graceMs: disturbance.forMs });
      return;
    }
    if (disturbance.kind === 'pause') process.pause();
    else if (disturbance.kind === 'mute') process.mute();
    else process.cut();
    const until = new ManualRuntime({ time: this.#time });
    until.setTimer(disturbance.forMs, () => {
      if (disturbance.kind === 'pause') process.resume();
      else if (disturbance.kind === 'mute') process.unmute();
      else process.mend();
    });
  }

  async #heal(): Promise<void> {
    this.#disturbed = false;
    for (const process of this.#processes) process.network.heal();
    await this.#startWorker({ concurrency: 4, prefetch: 4, handlerMs: 5, failing: 0, stubborn: false });
  }

  #count(prefix: string): number {
    return this.#server.engine.range({ key: prefix, rangeEnd: `${prefix}~`, countOnly: true }).count;
  }
}
