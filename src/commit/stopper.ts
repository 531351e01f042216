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

  /**
   * Waits so long, or until stopped. Keeps the process alive: who waits for the work without a time limit has no timer of its own,
   * and a process with nothing else to do would end in the middle of it.
   */
  pause(delayMs: number): Promise<void> {
    if (this.isStopped) return Promise.resolve();
    return new Promise((resolve) => {
      const wakeUp = () => {
        timer.cancel();
        this.#wakeUps.delete(wakeUp);
        resolve();
      };
      const timer = this.#runtime.setTimer(delayMs, wakeUp);
      this.#wakeUps.add(wakeUp);
    });
  }
}
