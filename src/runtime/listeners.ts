import { invalidArgument, shown } from '../errors.js';
import { isThenable } from './thenable.js';

/**
 * A set of listeners that cannot hurt who calls them: an exception in one, or the rejection of one that is asynchronous, is
 * handed to `onError` (by default reported as a process warning) and the others still run.
 */
export class Listeners<T> {
  /** Most objects that could tell something have nobody who listens, and there may be very many of them. */
  #listeners: Set<(value: T) => void> | undefined;
  readonly #onError: (error: unknown) => void;

  constructor(onError: (error: unknown) => void = warnOfListener) {
    this.#onError = onError;
  }

  get size(): number {
    return this.#listeners?.size ?? 0;
  }

  /** Returns the function that takes the listener off again. Throws `invalid-argument` for what cannot be called. */
  add(listener: (value: T) => void): () => void {
    if (typeof listener !== 'function')
      throw invalidArgument(`the listener is ${shown(listener)}`, 'a function');
    const entry = (value: T) => listener(value);
    this.#listeners ??= new Set();
    const listeners = this.#listeners;
    listeners.add(entry);
    return () => {
      listeners.delete(entry);
    };
  }

  emit(value: T): void {
    const listeners = this.#listeners;
    if (listeners === undefined || listeners.size === 0) return;
    for (const listener of [...listeners]) {
      if (!listeners.has(listener)) continue;
      try {
        const returned: unknown = listener(value);
        if (isThenable(returned)) Promise.resolve(returned).catch(this.#onError);
      } catch (error) {
        this.#onError(error);
      }
    }
  }
}

/** What becomes of the exception of a listener that nobody asked for: a process warning. Never throws. */
export function warnOfListener(error: unknown): void {
  process.emitWarning(warningOf(error), { type: 'QuorateListenerWarning' });
}

/** Anything can be thrown: what has no text, or throws when it is asked for one, too. */
function warningOf(error: unknown): Error | string {
  try {
    if (!(error instanceof Error)) return String(error);
    // As the process asks it, when it shows the warning: where nobody would catch what it throws.
    for (const part of [error.name, error.message, error.stack, error.toString()]) String(part);
    return error;
  } catch {
    return 'a listener failed with something that cannot be shown as text';
  }
}
