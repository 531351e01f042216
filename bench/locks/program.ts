/** The processes that a benchmark of the locks starts. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';

/** What Linux counts processor time in, on every machine that Node runs on. */
const clockTickMs = 10;

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

  /** Milliseconds of processor time that it has used so far, of all its threads; not a number where the system does not tell. */
  async processorMs(): Promise<number> {
    const stat = await readFile(`/proc/${this.#child.pid}/stat`, 'utf8').catch(() => '');
    // The second field is the program's name in brackets, and may hold spaces.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * clockTickMs;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

const longestRunMs = 300_000;

/** Runs a program that measures by itself; resolves with what it printed. */
export function runToEnd(command: readonly string[], args: readonly string[]): Promise<string> {
  return new Program(command, args).output(longestRunMs);
}

/** Contenders that will wait, all asking for the lock of this name by now. */
export async function startWaiting(
  command: readonly string[],
  endpoint: string,
  name: string,
  processes: number,
  clients: number,
): Promise<Program[]> {
  const args = [endpoint, name, String(clients), '1', '0', String(longestRunMs)];
  const waiters = Array.from({ length: processes }, () => new Program(command, args));
  await Promise.all(waiters.map((waiter) => waiter.ready));
  for (const waiter of waiters) waiter.begin();
  return waiters;
}
