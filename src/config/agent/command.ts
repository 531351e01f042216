import { invalidArgument, QuorateError, shown } from '../../errors.js';
import { Backoff, type ProgramResult, type RunProgram, type Runtime, sleep } from '../../runtime/index.js';

/** What an agent runs after its files were changed. */
export interface AgentCommand {
  /** A path, or a name that is looked for along PATH. There is no shell: what is in `args` is not interpreted. */
  program: string;
  args?: readonly string[] | undefined;
  /** Added to the environment. `QUORATE_CONFIG_REVISION` is the revision of the files. */
  env?: Readonly<Record<string, string>> | undefined;
  cwd?: string | undefined;
  /** After so long, or 24.8 days if that is less, it is asked to end, and 5 s later it is killed. Default 30,000. */
  timeoutMs?: number | undefined;
}

export interface CommandRun extends ProgramResult {
  /** Of the files as they were when it began. */
  readonly revision: number;
}

const defaultTimeoutMs = 30_000;
const killAfterMs = 5_000;
const mostOutputBytes = 64 * 1024;
const retryDelay = { firstMs: 1_000, longestMs: 60_000 };

export interface CommandRunnerOptions {
  readonly command: AgentCommand;
  readonly runtime: Runtime;
  readonly run: RunProgram;
  /** Resolves once it is remembered that nothing is owed, if that is still so. */
  readonly onPaid: (isOwed: () => boolean) => Promise<void>;
  readonly onRun: (run: CommandRun) => void;
}

/**
 * Runs a command after changes: never two at a time, and one that begins after the last change. Changes that come while it runs are
 * followed by one run for all of them. One that fails is run again, after 1 s to 60 s, until it succeeds; a change does not wait
 * for that.
 */
export class CommandRunner {
  readonly #options: CommandRunnerOptions;
  readonly #backoff: Backoff;
  readonly #closed = new AbortController();
  /** Ends the pause after a failure. */
  #hurry = new AbortController();
  #owed: { readonly revision: number } | undefined;
  #working: Promise<void> | undefined;
  #isRunning = false;
  #failures = 0;

  constructor(options: CommandRunnerOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.runtime, retryDelay);
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** There was a change after the beginning of the last run that succeeded. */
  get isOwed(): boolean {
    return this.#owed !== undefined;
  }

  /** Runs that failed since the last that succeeded. */
  get failures(): number {
    return this.#failures;
  }

  /** There was a change: files are of this revision now. */
  owe(revision: number): void {
    if (this.#closed.signal.aborted) return;
    this.#owed = { revision };
    this.#hurry.abort();
    this.#working ??= this.#work();
  }

  /** Begins no run any more, and waits for the one that goes on: as long as that may take at most. Never rejects. */
  async close(): Promise<void> {
    this.#closed.abort(new QuorateError('closed', 'the agent is closed'));
    this.#hurry.abort();
    await this.#working;
  }

  async #work(): Promise<void> {
    const { runtime } = this.#options;
    while (this.#owed !== undefined && !this.#closed.signal.aborted) {
      this.#hurry = new AbortController();
      if (await this.#run(this.#owed)) continue;
      await sleep(runtime, this.#backoff.nextMs(), { signal: this.#hurry.signal, background: true }).catch(
        () => {},
      );
    }
    this.#working = undefined;
  }

  async #run(owed: { readonly revision: number }): Promise<boolean> {
    const { run, onRun, onPaid, command } = this.#options;
    const { revision } = owed;
    this.#isRunning = true;
    const result = await run({
      ...{ program: command.program, args: command.args ?? [], cwd: command.cwd },
      env: { ...command.env, QUORATE_CONFIG_REVISION: String(revision) },
      ...{ timeoutMs: command.timeoutMs ?? defaultTimeoutMs, killAfterMs, mostOutputBytes },
    });
    this.#isRunning = false;
    const isDone = result.exitCode === 0;
    if (isDone) {
      // What was changed after its beginning it may not have seen.
      if (this.#owed === owed) this.#owed = undefined;
      this.#failures = 0;
      this.#backoff.reset();
      await onPaid(() => this.isOwed);
    } else {
      this.#failures += 1;
    }
    onRun({ ...result, revision });
    return isDone;
  }
}

/** Refuses with `invalid-argument` what is no command. */
export function checkAgentCommand(command: unknown): asserts command is AgentCommand | undefined {
  if (command === undefined) return;
  if (typeof command !== 'object' || command === null) {
    throw invalidArgument(`command is ${shown(command)}`, 'an object with a program and args, or none');
  }
  const { program, args = [], env = {}, cwd, timeoutMs } = command as AgentCommand;
  if (!isArgument(program) || program === '')
    throw invalidArgument(`the program of the command is ${shown(program)}`, 'a path or a name');
  if (!Array.isArray(args) || !args.every(isArgument))
    throw invalidArgument(`args is ${shown(args)}`, 'an array of texts');
  if (typeof env !== 'object' || env === null || !Object.values(env).every(isArgument)) {
    throw invalidArgument(`env is ${shown(env)}`, 'an object of texts, or none');
  }
  if (cwd !== undefined && !isArgument(cwd))
    throw invalidArgument(`cwd is ${shown(cwd)}`, 'a folder, or none');
  if (timeoutMs !== undefined && !(Number.isFinite(timeoutMs) && timeoutMs > 0)) {
    throw invalidArgument(`timeoutMs is ${shown(timeoutMs)}`, 'a number of milliseconds above 0, or none');
  }
}

function isArgument(text: unknown): boolean {
  return typeof text === 'string' && !text.includes('\0');
}
