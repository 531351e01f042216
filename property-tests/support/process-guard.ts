import { type Failure, failureOf } from './failure.js';

/** Warnings that are about Node.js and not about what runs. */
const harmless = new Set(['ExperimentalWarning', 'DeprecationWarning']);

/**
 * Hears what happens to the process as a whole while a run is going on, so that it counts as that run's failure: a
 * rejection that nobody listens to, an exception that nobody catches, a warning.
 */
export class ProcessGuard {
  #found: Failure | undefined;

  readonly #onRejection = (reason: unknown) => this.#note(failureOf(reason, 'unhandled-rejection'));
  readonly #onException = (error: Error) => this.#note(failureOf(error, 'error'));
  readonly #onWarning = (warning: Error) => {
    if (harmless.has(warning.name)) return;
    this.#note({ ...failureOf(warning, 'warning'), message: `${warning.name}: ${warning.message}` });
  };

  constructor() {
    process.on('unhandledRejection', this.#onRejection);
    process.on('uncaughtException', this.#onException);
    process.on('warning', this.#onWarning);
  }

  /** Leaves the process to its own again, which ends with an exception that nobody catches. */
  stop(): void {
    process.off('unhandledRejection', this.#onRejection);
    process.off('uncaughtException', this.#onException);
    process.off('warning', this.#onWarning);
  }

  /** What was found since the last time, once all that is only waiting for its turn has had it. */
  async take(): Promise<Failure | undefined> {
    for (let turn = 0; turn < 2; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    const found = this.#found;
    this.#found = undefined;
    return found;
  }

  #note(failure: Failure): void {
    this.#found ??= { ...failure, message: `${failure.kind.replaceAll('-', ' ')}: ${failure.message}` };
  }
}
