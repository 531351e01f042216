/** One operating-system process of an example, as the runner sees it. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export type Message = { readonly type: string } & Readonly<Record<string, unknown>>;

export interface StartOptions {
  readonly label: string;
  readonly endpoints: string;
  readonly namespace: string;
  readonly settings?: Readonly<Record<string, string>>;
}

export class ExampleProcess {
  readonly label: string;
  /** Everything the process has reported so far. */
  readonly messages: Message[] = [];
  readonly exited: Promise<void>;
  readonly #child: ChildProcess;
  readonly #listeners = new Set<(message: Message) => void>();

  constructor(script: URL, options: StartOptions) {
    this.label = options.label;
    this.#child = fork(fileURLToPath(script), [], {
      execArgv: ['--import', import.meta.resolve('tsx')],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: {
        ...process.env,
        ...options.settings,
        QUORATE_LABEL: options.label,
        QUORATE_ENDPOINTS: options.endpoints,
        QUORATE_NAMESPACE: options.namespace,
      },
    });
    this.exited = once(this.#child, 'exit').then(() => {});
    this.#child.on('message', (message: Message) => {
      this.messages.push(message);
      for (const listener of this.#listeners) listener(message);
    });
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** True if it ended by itself and reported no failure. */
  get succeeded(): boolean {
    return this.#child.exitCode === 0;
  }

  onMessage(listener: (message: Message) => void): void {
    this.#listeners.add(listener);
  }

  /** The first message of this type, past or to come. Rejects if the process ends, or the time passes, before it. */
  async next(type: string, timeoutMs = 60_000): Promise<Message> {
    const past = this.messages.find((message) => message.type === type);
    if (past) return past;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${this.label} did not report ${type} within ${timeoutMs} ms`)),
        timeoutMs,
      );
      this.onMessage((message) => {
        if (message.type !== type) return;
        clearTimeout(timer);
        resolve(message);
      });
      void this.exited.then(() => {
        clearTimeout(timer);
        reject(new Error(`${this.label} ended before it reported ${type}`));
      });
    });
  }

  send(message: Message): void {
    if (this.isRunning && this.#child.connected) this.#child.send(message, () => {});
  }

  /** Resolves when it has a piece of work in hand and stands still with it, until it is sent `go-on`. */
  async hold(): Promise<void> {
    this.send({ type: 'hold' });
    await this.next('held');
  }

  /** `kill -9`: no handler runs, nothing is said to anybody. */
  async crash(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  /** Waits for the process to end by itself. */
  async finished(timeoutMs = 60_000): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () => reject(new Error(`${this.label} did not end within ${timeoutMs} ms`)),
        timeoutMs,
      );
    });
    await Promise.race([this.exited, late]).finally(() => clearTimeout(timer));
  }
}
