/** The processes that a benchmark starts. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { processorMs } from './processor-time.js';

/** A process that says `ready`, may be told to begin, and prints what it found before it ends. */
export class Program {
  readonly ready: Promise<void>;
  readonly #child: ChildProcess;
  readonly #chunks: Buffer[] = [];
  readonly #ended: Promise<unknown>;

  constructor(command: readonly string[], args: readonly string[]) {
    const [file = '', ...before] = command;
    this.#child = spawn(file, [...before, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#ended = once(this.#child, 'close');
    this.#child.stdin?.on('error', () => {});
    this.ready = new Promise((resolve, reject) => {
      this.#child.stdout?.on('data', (chunk: Buffer) => {
        this.#chunks.push(chunk);
        resolve();
      });
      this.#child.once('error', reject);
      this.#child.once('exit', (code) => reject(new Error(`${file} ended with ${code} before it was ready`)));
    });
    this.ready.catch(() => {});
    this.#ended.catch(() => {});
  }

  begin(): void {
    this.#child.stdin?.write('\n');
  }

  /** All it printed, once it has ended; it must end well, and within `timeoutMs`. */
  async output(timeoutMs: number): Promise<string> {
    const timer = setTimeout(() => this.kill(), timeoutMs);
    await this.#ended;
    clearTimeout(timer);
    const { exitCode, signalCode, spawnargs } = this.#child;
    if (exitCode !== 0) throw new Error(`${spawnargs.join(' ')} ended with ${exitCode ?? signalCode}`);
    return Buffer.concat(this.#chunks).toString();
  }

  processorMs(): Promise<number> {
    return processorMs(this.#child.pid);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

export const longestRunMs = 300_000;

/** Runs a program that measures by itself; resolves with what it printed. */
export function runToEnd(command: readonly string[], args: readonly string[]): Promise<string> {
  return new Program(command, args).output(longestRunMs);
}
