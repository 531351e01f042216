import { type Failure, failureOf } from './failure.js';

/** Warnings that are about Node.js and not about what runs. */
const harmless = new Set(['ExperimentalWarning', 'DeprecationWarning']);

/**
 * Hears what happens to the process as a whole while a run is going on, so that it counts as that run's failure: a
 * rejection that nobody listens to, an exception that nobody catches, a warning.
 */
export class ProcessGuard {
  #found: Failure | undefined;

  constructor() {
    process.on('unhandledRejection', (reason) => this.#note(failureOf(reason, 'unhandled-rejection')));
    process.on('uncaughtException', (error) => this.#note(failureOf(error, 'error')));
    process.on('warning', (warning) => {
      if (harmless.has(warning.name)) return;
      this.#note({ ...failureOf(warning, 'warning'), message: `${warning.name}: ${warning.message}` });
    });
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
