/** Programs of this machine, each run once, without a shell. */
import { spawn } from 'node:child_process';
import type { Timer } from './runtime.js';
import { systemRuntime } from './system.js';

export interface ProgramRequest {
  /** A path, or a name that is looked for along PATH. */
  readonly program: string;
  readonly args: readonly string[];
  /** Added to the environment of this process. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | undefined;
  /** After so long, or 2^31 - 1 ms if that is less, it is asked to end (SIGTERM), and after `killAfterMs` more it is killed. */
  readonly timeoutMs: number;
  readonly killAfterMs: number;
  /** So much of what it prints is kept, the last, of both outputs together. */
  readonly mostOutputBytes: number;
}

export interface ProgramResult {
  /** Undefined: it was ended by a signal, or could not be started. */
  readonly exitCode: number | undefined;
  readonly endedBy: string | undefined;
  readonly hasTimedOut: boolean;
  readonly output: string;
  /** Why it could not be started. */
  readonly error: Error | undefined;
}

/** Resolves once it has ended, and never rejects. Processes that it leaves behind are not waited for. */
export type RunProgram = (request: ProgramRequest) => Promise<ProgramResult>;

export const runProgram: RunProgram = (request) =>
  new Promise((resolve) => {
    const output = new LastBytes(request.mostOutputBytes);
    let hasTimedOut = false;
    let timer: Timer | undefined;
    const end = (result: Partial<ProgramResult>) => {
      timer?.cancel();
      const { exitCode, endedBy, error } = result;
      resolve({ exitCode, endedBy, error, hasTimedOut, output: output.text });
    };
    let child: ReturnType<typeof start>;
    try {
      child = start(request);
    } catch (error) {
      end({ error: error as Error });
      return;
    }
    child.once('error', (error) => {
      // Also told of a signal that could not be sent; then it goes on to its end.
      if (child.pid === undefined) end({ error });
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => output.add(chunk));
      stream.on('error', () => {});
    }
    // Not when the outputs are closed: whatever it left running may hold them for ever.
    child.once('exit', (code, signal) => {
      setImmediate(() => {
        child.stdout.destroy();
        child.stderr.destroy();
        end({ exitCode: code ?? undefined, endedBy: signal ?? undefined });
      });
    });
    timer = systemRuntime.setTimer(request.timeoutMs, () => {
      hasTimedOut = true;
      child.kill('SIGTERM');
      timer = systemRuntime.setTimer(request.killAfterMs, () => child.kill('SIGKILL'));
    });
  });

function start({ program, args, env, cwd }: ProgramRequest) {
  return spawn(program, args, {
    ...{ cwd, shell: false, windowsHide: true, env: { ...process.env, ...env } },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

class LastBytes {
  readonly #most: number;
  #bytes = Buffer.alloc(0);

  constructor(most: number) {
    this.#most = most;
  }

  get text(): string {
    return this.#bytes.toString('utf8');
  }

  add(chunk: Buffer): void {
    const all = Buffer.concat([this.#bytes, chunk]);
    this.#bytes = Buffer.from(all.subarray(Math.max(0, all.length - this.#most)));
  }
}
