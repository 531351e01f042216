import { offAbort, onAbort, type Runtime } from '../../runtime/index.js';

export interface Impatience {
  readonly signal: AbortSignal;
  /** At the latest. */
  readonly withinMs: number;
}

/** Lets one of a process go on at a time, first come, first served. */
export class OneAtATime {
  readonly #runtime: Runtime;
  readonly #waiting = new Set<() => void>();
  #isTaken = false;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  get isFree(): boolean {
    return !this.#isTaken;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Takes the turn if nobody has it. */
  tryTake(): boolean {
    if (this.#isTaken) return false;
    this.#isTaken = true;
    return true;
  }

  /** False if it was given up first. */
  take({ signal, withinMs }: Impatience): Promise<boolean> {
    if (this.tryTake()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const finish = (isTaken: boolean) => {
        this.#waiting.delete(go);
        timer.cancel();
        offAbort(signal, giveUp);
        resolve(isTaken);
      };
      const go = () => finish(true);
      const giveUp = () => finish(false);
      const timer = this.#runtime.setTimer(withinMs, giveUp);
      onAbort(signal, giveUp);
      this.#waiting.add(go);
      if (signal.aborted) giveUp();
    });
  }

  /** Gives the turn to who has waited longest. */
  give(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#isTaken = false;
    else next();
  }
}
