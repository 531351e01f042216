const hooks = Symbol('what runs when the signal fires');

/** A signal that may have hooks; null as long as it never had one. */
interface HookedSignal extends AbortSignal {
  [hooks]?: Set<() => void> | null;
}

/**
 * Lets the signal be listened to by many at little cost: see {@link onAbort}. Only for signals of an `AbortController`: the
 * one listener stays on, which would keep a signal of `AbortSignal.any` or `AbortSignal.timeout` in memory.
 */
export function allowHooks(signal: HookedSignal): void {
  signal[hooks] = null;
}

/**
 * Runs `hook` once, when the signal fires, unless it is taken off before. The signal must not have fired. A hook must not
 * throw.
 *
 * On a signal that lives long, as a session's does, calls come and go by the thousand. To enter a set and leave it is
 * several times cheaper than to add a listener and remove it; so such a signal has one listener, for all hooks.
 */
export function onAbort(signal: HookedSignal, hook: () => void): void {
  const known = signal[hooks];
  if (known === undefined) signal.addEventListener('abort', hook, { once: true });
  else (known ?? listenFor(signal)).add(hook);
}

/** Takes the hook off; nothing happens if it is not there. */
export function offAbort(signal: HookedSignal, hook: () => void): void {
  const known = signal[hooks];
  if (known === undefined) signal.removeEventListener('abort', hook);
  else known?.delete(hook);
}

/** How many hooks the signal has, for who looks whether some were left behind. */
export function hooksOn(signal: HookedSignal): number {
  return signal[hooks]?.size ?? 0;
}

function listenFor(signal: HookedSignal): Set<() => void> {
  const known = new Set<() => void>();
  signal[hooks] = known;
  const run = () => {
    // Those that a hook takes off do not run any more; those that it adds do, as the set is walked through.
    for (const hook of known) {
      known.delete(hook);
      hook();
    }
  };
  signal.addEventListener('abort', run, { once: true });
  return known;
}
