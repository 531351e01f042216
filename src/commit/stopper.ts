import { type Runtime, sharedController } from '../runtime/index.js';

/** Says when to stop, and cuts pauses and requests short then. */
export class Stopper {
  readonly #runtime: Runtime;
  readonly #controller = sharedController();
  readonly #wakeUps = new Set<() => void>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  get isStopped(): boolean {
    return this.#controller.signal.aborted;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  stop(): void {
    this.#controller.abort();
    for (const wakeUp of [...this.#wakeUps]) wakeUp();
  }

  /** Waits so long, or until stopped. Does not keep the process alive: whoever waits for the work does. */
  pause(delayMs: number): Promise<void> {
    if (this.isStopped) return Promise.resolve();
    return new Promise((resolve) => {
      const wakeUp = () => {
        timer.cancel();
        this.#wakeUps.delete(wakeUp);
        resolve();
      };
      const timer = this.#runtime.setTimer(delayMs, wakeUp, { background: true });
      this.#wakeUps.add(wakeUp);
    });
  }
}
