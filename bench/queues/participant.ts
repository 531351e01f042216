/** A process that takes part: see participant-loop.ts for what is said between it and the benchmark. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { processorMs } from '../processor-time.js';

const longestAnswerMs = 300_000;

export class Participant {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(command: readonly string[], args: readonly string[]) {
    const [file = '', ...before] = command;
    this.#child = spawn(file, [...before, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    if (this.#child.stdout === null) throw new Error('a participant has no output');
    this.#child.stdin?.on('error', () => {});
    this.#child.on('error', (error) => console.error(error));
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async ready(): Promise<void> {
    await this.#answer('ready');
  }

  /** Tells it what to do; resolves with the numbers that it answers. One command at a time. */
  async tell(expected: string, ...command: readonly (string | number)[]): Promise<number[]> {
    this.#child.stdin?.write(`${command.join(' ')}\n`);
    return this.#answer(expected);
  }

  processorMs(): Promise<number> {
    return processorMs(this.#child.pid);
  }

  /** Lets it end by itself for a while. */
  async end(): Promise<void> {
    this.#child.stdin?.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 5_000);
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
    clearTimeout(timer);
  }

  async #answer(expected: string): Promise<number[]> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), longestAnswerMs);
    const { value, done } = await this.#lines.next();
    clearTimeout(timer);
    const what = this.#child.spawnargs.join(' ');
    if (done) throw new Error(`${what} ended instead of saying ${expected}`);
    const [word, ...numbers] = value.split(' ');
    if (word !== expected) throw new Error(`${what} said ${word} instead of ${expected}`);
    return numbers.map(Number);
  }
}
