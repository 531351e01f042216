const brand = Symbol.for('quorate.job-rejected');

/**
 * Thrown by a handler: its job can never succeed, and goes to the dead letters at once, with the message as the reason.
 * Whatever else a handler throws is a failure, which is tried again.
 */
export class JobRejected extends Error {
  constructor(reason: string, options: { cause?: unknown } = {}) {
    super(reason, options);
    this.name = 'JobRejected';
    Object.defineProperty(this, brand, { value: true });
  }
}

/** Holds across duplicate copies of the package, where `instanceof` does not. */
export function isJobRejected(error: unknown): error is JobRejected {
  return typeof error === 'object' && error !== null && brand in error;
}
