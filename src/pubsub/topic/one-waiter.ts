import { offAbort, onAbort } from '../../runtime/index.js';

/** What one at a time waits for until it is woken. */
export class OneWaiter {
  /** Wakes who waits, if anybody does. */
  wake: () => void = () => {};

  /** Resolves at the next wake. Rejects with the signal's reason. */
  woken(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      // What woke it last may have ended it.
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      const giveUp = () => reject(signal.reason);
      onAbort(signal, giveUp);
      this.wake = () => {
        offAbort(signal, giveUp);
        resolve();
      };
    });
  }
}
