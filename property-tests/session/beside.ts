import { LifeSign } from '../../src/etcd3/renewal/life-sign.js';
import type { FromRenewalThread, ToRenewalThread } from '../../src/etcd3/renewal/messages.js';
import { RenewalService } from '../../src/etcd3/renewal/renewal-service.js';
import { WorkerRenewer } from '../../src/etcd3/renewal/worker-renewer.js';
import type { Runtime } from '../../src/runtime/index.js';
import type { Thread, ThreadEvents } from '../../src/runtime/thread.js';
import type { ProcessContext, ProcessThread, SimulatedProcess } from '../../src/simulator/index.js';
import type { Store } from '../../src/store/index.js';
import { LoopRenewer } from '../../src/store/loop-renewer.js';

export interface BesideOptions {
  readonly context: ProcessContext;
  readonly process: SimulatedProcess;
  /** Of the event loop that may be blocked. */
  readonly runtime: Runtime;
  readonly store: Store;
  readonly longestStallMs: number;
  /** Lets it be seen what the thread asks of leases. */
  observed(store: Store): Store;
}

/**
 * The library's renewal by a thread, with another thread of a simulated process in place of a real one. Messages pass
 * as they do between threads: they wait for the loop that is to read them. The shared memory is one indeed.
 */
export class Beside {
  readonly renewer: WorkerRenewer;
  readonly #options: BesideOptions;
  readonly #thread: ProcessThread;
  #events: ThreadEvents | undefined;
  #isOver = false;

  constructor(options: BesideOptions) {
    const { context, process, runtime, store, longestStallMs } = options;
    this.#options = options;
    this.#thread = context.startThread();
    this.renewer = new WorkerRenewer({
      ...{ runtime, longestStallMs, sharedMs: () => process.clock.monotonicMs() },
      fallback: new LoopRenewer(store, runtime),
      startThread: (lifeSign, events) => this.#start(lifeSign, events),
      onEnd: () => {},
    });
  }

  /** Timers of it run while the event loop of the process is blocked. */
  get runtime(): Runtime {
    return this.#thread.runtime;
  }

  /** The thread ends by itself, in the middle of whatever it does. */
  crash(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    void this.#options.context.runtime.nextTurn().then(() => this.#events?.onEnd(undefined));
  }

  #start(lifeSign: SharedArrayBuffer, events: ThreadEvents): Thread {
    this.#events = events;
    const { runtime, store } = this.#thread;
    const { context, process, longestStallMs } = this.#options;
    const alive = <Arguments extends unknown[]>(does: (...given: Arguments) => void) => {
      return (...given: Arguments) => {
        if (!this.#isOver) does(...given);
      };
    };
    const service = new RenewalService({
      ...{ store: this.#options.observed(store), longestStallMs, lifeSign: new LifeSign(lifeSign) },
      sharedMs: () => process.clock.monotonicMs(),
      runtime: {
        ...{ monotonicMs: () => runtime.monotonicMs(), wallMs: () => runtime.wallMs() },
        ...{
          nextTurn: () => runtime.nextTurn(),
          random: () => runtime.random(),
          newId: () => runtime.newId(),
        },
        setTimer: (delayMs, callback, options) => runtime.setTimer(delayMs, alive(callback), options),
      },
      post: alive((message: FromRenewalThread) => {
        void context.runtime.nextTurn().then(() => events.onMessage(message));
      }),
    });
    return {
      post: (message) => {
        runtime.setTimer(
          0,
          alive(() => service.handle(message as ToRenewalThread)),
        );
      },
      end: async () => {
        this.#isOver = true;
        events.onEnd(undefined);
      },
    };
  }
}
