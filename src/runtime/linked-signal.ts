import { offAbort, onAbort } from './abort-hooks.js';
import { sharedController } from './shared-signal.js';

export interface LinkedSignal {
  readonly signal: AbortSignal;
  /** Takes the link off: nothing of it is left on the sources. Idempotent. */
  unlink(): void;
}

/**
 * A signal that fires with the first of its sources, as that of `AbortSignal.any` does, until it is unlinked. Of each of
 * those Node.js keeps a trace on every source for as long as the source lives, which adds up on a signal that lives as
 * long as its process.
 */
export function linkedSignal(...sources: readonly (AbortSignal | undefined)[]): LinkedSignal {
  const controller = sharedController();
  const links = sources
    .filter((source) => source !== undefined)
    .map((source) => ({ source, fire: () => controller.abort(source.reason) }));
  for (const { source, fire } of links) {
    if (source.aborted) fire();
    else onAbort(source, fire);
  }
  return {
    signal: controller.signal,
    unlink: () => {
      for (const { source, fire } of links) offAbort(source, fire);
    },
  };
}
