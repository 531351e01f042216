const hooks = Symbol('what runs when the signal fires');

interface Hooks {
  readonly waiting: Set<() => void>;
  /** The one listener of the signal. */
  readonly run: () => void;
  /** The listener stays on when no hook is left. */
  readonly stays: boolean;
}

/** A signal that may have hooks; null where their listener is to stay on. */
interface HookedSignal extends AbortSignal {
  [hooks]?: Hooks | null | undefined;
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
 * On a signal that lives long, as a session's does or that of a process which is to end, calls come and go by the thousand. To
 * enter a set and leave it is several times cheaper than to add a listener and remove it, and does not become dearer with how many
 * there are: Node.js goes through all listeners to remove one. So a signal has one listener, for all hooks.
 */
export function onAbort(signal: HookedSignal, hook: () => void): void {
  (signal[hooks] ?? listenTo(signal)).waiting.add(hook);
}

/** Takes the hook off; nothing happens if it is not there. */
export function offAbort(signal: HookedSignal, hook: () => void): void {
  const known = signal[hooks];
  if (!known?.waiting.delete(hook) || known.stays || known.waiting.size > 0) return;
  signal.removeEventListener('abort', known.run);
  signal[hooks] = undefined;
}

/** How many hooks the signal has, for who looks whether some were left behind. */
export function hooksOn(signal: HookedSignal): number {
  return signal[hooks]?.waiting.size ?? 0;
}

function listenTo(signal: HookedSignal): Hooks {
  const waiting = new Set<() => void>();
  const stays = signal[hooks] === null;
  const run = () => {
    // Those that a hook takes off do not run any more; those that it adds do, as the set is walked through.
    for (const hook of waiting) {
      waiting.delete(hook);
      hook();
    }
    // The listener is gone. It may have been an event that somebody made up, and the signal has yet to fire.
    signal[hooks] = stays ? null : undefined;
  };
  const known: Hooks = { waiting, run, stays };
  signal[hooks] = known;
  signal.addEventListener('abort', run, { once: true });
  return known;
}
