/**
 * Threads of this process, and the one clock that all of them read alike. `performance.now()` counts from another
 * moment in each thread, `process.hrtime` from the same in all.
 */
import { parentPort, Worker, workerData } from 'node:worker_threads';

/** Milliseconds on the monotonic clock that all threads of this process share. Its zero means nothing. */
export function sharedMonotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** A thread as the one that started it sees it. */
export interface Thread {
  /** Reaches the thread without a turn of this thread's event loop. */
  post(message: unknown): void;
  /** Ends it at once, whatever it does. Resolves when it is over. */
  end(): Promise<void>;
}

export interface ThreadEvents {
  onMessage(message: unknown): void;
  /** It has ended, by itself or by {@link Thread.end}; `cause`: the error that nobody in it caught. */
  onEnd(cause: unknown): void;
}

/** A thread as it sees itself: what it was started with, and its way to who started it. */
export interface ThreadHome {
  readonly data: unknown;
  post(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
}

/**
 * Starts a thread that runs a module, and that keeps no process alive. The module is compiled JavaScript; from TypeScript
 * sources, as in tests, it is run by `tsx`, if that is installed.
 */
export function startThread(module: URL, name: string, data: unknown, events: ThreadEvents): Thread {
  const options = { eval: true, name, workerData: data } as const;
  const worker = module.pathname.endsWith('.ts')
    ? new Worker(
        `import('tsx/esm/api').then(({ register }) => { register(); return ${importOf(module)}; });`,
        {
          ...options,
          execArgv: [],
        },
      )
    : new Worker(`${importOf(module)};`, options);
  let cause: unknown;
  let onOver: () => void = () => {};
  const over = new Promise<void>((resolve) => {
    onOver = resolve;
  });
  worker.on('message', (message) => events.onMessage(message));
  worker.on('error', (error) => {
    cause ??= error;
  });
  worker.on('exit', () => {
    onOver();
    events.onEnd(cause);
  });
  worker.unref();
  return {
    post: (message) => worker.postMessage(message),
    end: async () => {
      await worker.terminate();
      await over;
    },
  };
}

/** The thread that this module runs in. */
export function ownThread(): ThreadHome {
  const port = parentPort;
  if (port === null) throw new Error('this module runs in a thread of its own');
  return {
    data: workerData,
    post: (message) => port.postMessage(message),
    onMessage: (listener) => port.on('message', listener),
  };
}

/** A thread inherits the arguments of Node.js, of which `--input-type` would forbid it to begin with a file. */
function importOf(module: URL): string {
  return `import(${JSON.stringify(module.href)})`;
}
