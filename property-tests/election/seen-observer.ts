import { milliseconds } from '../../src/checkers/evidence.js';
import type { Election, LeaderView } from '../../src/election/index.js';
import { sleep } from '../../src/runtime/index.js';
import type { ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';

/** By then an observer that waits for its next view has been told of what has reached its process. */
const tellingMs = 2;

/** An observer of one incarnation of a process, and what it was told. */
export class SeenObserver {
  readonly process: SimulatedProcess;
  readonly incarnation: number;
  readonly views: LeaderView[] = [];
  readonly #runtime: ProcessContext['runtime'];
  readonly #slowMs: number;
  readonly #nowMs: () => number;
  /** What it should have been told of and was not. */
  untold: string | undefined;
  #cuts = 0;
  #unknownAtCut = -1;

  constructor(parts: {
    readonly context: ProcessContext;
    readonly process: SimulatedProcess;
    readonly slowMs: number;
    readonly nowMs: () => number;
  }) {
    this.process = parts.process;
    this.incarnation = parts.context.incarnation;
    this.#runtime = parts.context.runtime;
    this.#slowMs = parts.slowMs;
    this.#nowMs = parts.nowMs;
  }

  get last(): LeaderView | undefined {
    return this.views.at(-1);
  }

  get isAlive(): boolean {
    return this.process.incarnation === this.incarnation && this.process.status !== 'crashed';
  }

  /** Follows for as long as its process lives. */
  async follow(election: Election): Promise<void> {
    for await (const view of election.observe()) {
      this.views.push(view);
      if (view.status === 'unknown') this.#unknownAtCut = this.#cuts;
      if (this.#slowMs > 0) await sleep(this.#runtime, this.#slowMs);
    }
  }

  /** ELECTION-3: a cut that has reached the process is said at once, to who waits for the next view. */
  async onCut(): Promise<void> {
    const wasUnknown = this.last?.status === 'unknown';
    this.#cuts += 1;
    if (this.#slowMs > 0 || wasUnknown) return;
    const cut = this.#cuts;
    const cutAtMs = this.#nowMs();
    await sleep(this.#runtime, tellingMs);
    if (this.#unknownAtCut >= cut) return;
    this.untold ??= `the watch of an observer of ${this.process.name} was cut at ${milliseconds(cutAtMs)}, and it was not told`;
  }
}
