/**
 * Files for programs in other languages, kept as the configuration is.
 *
 * **Order of what is done** for a revision that readers are given: the last known good is kept (last-known-good-file.ts), so that no
 * later start begins with less than files had; all files are rendered; where any differs, a mark that the command is owed is
 * written; each that differs is replaced in one step; the command is run; the mark is removed.
 *
 * **Who waits for what.** Files for nobody: what comes while they are changed is done after it, the newest. The command for files; changes
 * do not wait for the command.
 *
 * **When things go wrong.** The store is away: files stay, and the status tells how old they may be; at the start they are made
 * of the last known good. Crash anywhere: a file is the old or the new; what was begun is done by the next start, and
 * the mark has the command run. Something fails: it is told, and done again, after growing pauses, or as soon as there is news.
 *
 * **Wrong:** writing in place (half a file is read); files before the last known good (the next start, without the store, takes them
 * back); a command beside another, or none for the change that came while it ran; the mark after the files.
 */
import { type ErrorCode, isQuorateError, QuorateError } from '../../errors.js';
import {
  AgeClock,
  Backoff,
  checkWaitOptions,
  type Instant,
  Listeners,
  sleep,
  type WaitOptions,
  waitFor,
} from '../../runtime/index.js';
import { checkName } from '../../store/index.js';
import { LastKnownGoodConfig } from '../last-known-good/last-known-good-config.js';
import type { ConfigSnapshot } from '../reading/snapshot.js';
import { AgentChanges } from './agent-changes.js';
import {
  type CheckedAgentOptions,
  type ConfigAgentEvent,
  type ConfigAgentOptions,
  checkAgentOptions,
} from './agent-options.js';
import { type AgentStatus, statusFileContent } from './agent-status.js';
import { StatusWriter } from './status-writer.js';

const retryDelay = { firstMs: 200, longestMs: 30_000 };
/** Where nothing is told, it is looked whether there is an end to it. */
const lookEveryMs = 5_000;
/** What no time mends: arguments that do not fit the cluster, a user who is refused, a client that was closed. */
const lastingCodes: readonly ErrorCode[] = [
  'closed',
  'invalid-argument',
  'permission-denied',
  'unauthenticated',
];

/**
 * Keeps local files as documents of a configuration are, for programs that do not use this library.
 *
 * - Guaranteed: whoever reads a file has a whole version of it, at every moment and after every crash; what one of several documents holds is
 *   of one revision; no file is taken back to an older revision of a cluster, restarts without the store included. After the last change
 *   the command is run until it succeeds, crashes in between included; never two at a time. Files are written only where their
 *   content differs.
 * - Not guaranteed: that several files are changed at the same instant: what must fit together belongs in one file; that the command
 *   runs only once for a change; anything where two agents keep the same files, or others write them: then each replaces what the
 *   other wrote, and tells so (`changed-by-others`). No lock keeps them apart: one in a file outlasts a process that is killed, or does not
 *   outlast one that is paused.
 * - The store is away: files stay as they are. At the start they are made of the last known good; without one it waits for the store.
 * - Files are changed only once their revision is kept as the last known good: where that fails, files stay too, and `status` says why.
 * - Cost: as {@link LastKnownGoodConfig}; for a revision each file is read, and one that differs is written and synced.
 */
export class ConfigAgent implements AsyncDisposable {
  readonly name: string;
  readonly #options: CheckedAgentOptions;
  readonly #changes: AgentChanges;
  readonly #statusWriter: StatusWriter | undefined;
  readonly #clock: AgeClock;
  readonly #events = new Listeners<ConfigAgentEvent>();
  readonly #news = new Listeners<void>();
  readonly #closed = new AbortController();
  readonly #running: Promise<void>;
  #opened: LastKnownGoodConfig | undefined;
  /** Files are of this. */
  #done: ConfigSnapshot | undefined;
  /** Files were known to be no older than `oldMs` at this moment. */
  #fresh: { readonly at: Instant; readonly oldMs: number } | undefined;
  #problem: QuorateError | undefined;
  #failure: QuorateError | undefined;
  #lastExitCode: number | undefined;
  #changedByOthers = 0;
  #closing: Promise<void> | undefined;

  private constructor(name: string, options: CheckedAgentOptions) {
    const { runtime, fileSystem, statusPath, statusEveryMs, onEvent } = options;
    this.name = name;
    this.#options = options;
    this.#clock = new AgeClock(runtime);
    this.#events.add(onEvent);
    this.#changes = new AgentChanges(options, {
      onRun: (run) => {
        this.#lastExitCode = run.exitCode;
        this.#tell({ type: 'command-ended', run });
      },
      onForeign: (paths) => {
        this.#changedByOthers += paths.length;
        this.#tell({ type: 'changed-by-others', paths });
      },
    });
    if (statusPath !== undefined) {
      this.#statusWriter = new StatusWriter({
        ...{ path: statusPath, everyMs: statusEveryMs, fileSystem, runtime },
        content: () => statusFileContent(this.status, runtime.wallMs()),
        onFailure: (cause) => {
          const error = failed('the status could not be written', cause);
          this.#events.emit({ type: 'status-failed', error });
        },
      });
    }
    this.#running = this.#run();
  }

  /**
   * Starts it, and returns at once: it goes on by itself until it is closed, or nothing newer will ever be given (`failed`). Throws
   * `invalid-argument`.
   */
  static start(name: string, options: ConfigAgentOptions): ConfigAgent {
    checkName(name, 'config name');
    return new ConfigAgent(name, checkAgentOptions(options));
  }

  /** Resolves, with their revision, once files were first made. No time limit by default. Errors: `aborted`, `timeout`, `closed`, or why it failed. */
  async ready(options: WaitOptions = {}): Promise<number> {
    checkWaitOptions(options, 'waiting for the files of an agent');
    let stop = () => {};
    const waiting = new Promise<number>((resolve, reject) => {
      const look = () => {
        if (this.#done !== undefined) resolve(this.#done.revision);
        else if (this.#failure !== undefined) reject(this.#failure);
        else if (this.#closed.signal.aborted) reject(closedError());
      };
      stop = this.#news.add(look);
      look();
    });
    try {
      return await waitFor(this.#options.runtime, waiting, options, 'waiting for the files of an agent');
    } finally {
      stop();
    }
  }

  get status(): AgentStatus {
    const { runner } = this.#changes;
    return {
      state: this.#state,
      configuration: this.name,
      revision: this.#done?.revision,
      clusterId: this.#opened?.config.picture().clusterId,
      stalenessMs: this.#stalenessMs,
      problem:
        this.#failure ??
        this.#problem ??
        this.#opened?.problem ??
        this.#opened?.config.problem?.failures[0]?.error,
      files: this.#options.files.map(({ path }) => path),
      changedByOthers: this.#changedByOthers,
      command: runner && {
        ...{ isRunning: runner.isRunning, isOwed: runner.isOwed, failures: runner.failures },
        lastExitCode: this.#lastExitCode,
      },
    };
  }

  /** Runs `listener` at each event from now on. Returns what takes it off. */
  onEvent(listener: (event: ConfigAgentEvent) => void): () => void {
    return this.#events.add(listener);
  }

  /** Ends it, after the change and the run that are under way: files stay. Idempotent, and never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#closed.abort(closedError());
    this.#news.emit();
    await this.#running;
    await this.#changes.close();
    await this.#opened?.close();
    await this.#statusWriter?.close();
  }

  get #state(): AgentStatus['state'] {
    if (this.#closed.signal.aborted) return 'closed';
    if (this.#failure !== undefined) return 'failed';
    if (this.#opened === undefined || this.#done === undefined) return 'starting';
    if (this.#done !== this.#opened.config.snapshot) return 'behind';
    return this.#done.isOffline ? 'offline' : 'current';
  }

  get #stalenessMs(): number {
    const config = this.#opened?.config;
    if (config !== undefined && this.#done === config.snapshot) {
      this.#fresh = { at: this.#clock.now(), oldMs: config.stalenessMs };
    }
    return this.#fresh === undefined
      ? Number.POSITIVE_INFINITY
      : this.#clock.ageMs(this.#fresh.at) + this.#fresh.oldMs;
  }

  #tell(event: ConfigAgentEvent): void {
    this.#events.emit(event);
    this.#statusWriter?.write();
  }

  async #run(): Promise<void> {
    const { runtime } = this.#options;
    const backoff = new Backoff(runtime, retryDelay);
    const { signal } = this.#closed;
    while (!signal.aborted) {
      try {
        await this.#follow(await this.#open());
      } catch (error) {
        if (signal.aborted) return;
        if (isLasting(error)) {
          this.#fail(error);
          return;
        }
        this.#problem = failed('the agent could not start', error);
        this.#tell({ type: 'start-failed', error: this.#problem });
      }
      await this.#opened?.close();
      await sleep(runtime, backoff.nextMs(), { signal }).catch(() => {});
    }
  }

  async #open(): Promise<LastKnownGoodConfig> {
    const { opening } = this.#options;
    const { signal } = this.#closed;
    const onEvent = (event: ConfigAgentEvent) => this.#tell(event);
    const opened = await LastKnownGoodConfig.open(this.name, { ...opening, signal, onEvent });
    this.#opened = opened;
    this.#problem = undefined;
    opened.config.onUpdate(() => this.#news.emit());
    opened.config.onProblem(({ revision, failures: [first] }) => {
      // Of that the last known good has told.
      if (first === undefined || first.error.code === 'future-revision') return;
      this.#tell({ type: 'document-refused', revision, error: first.error });
    });
    return opened;
  }

  async #follow(opened: LastKnownGoodConfig): Promise<void> {
    const { config } = opened;
    const backoff = new Backoff(this.#options.runtime, retryDelay);
    while (!this.#closed.signal.aborted) {
      if (config.failure !== undefined) throw config.failure;
      if (config.snapshot === this.#done) await this.#pause(lookEveryMs, config.snapshot);
      else if (await this.#apply(opened, config.snapshot)) backoff.reset();
      else await this.#pause(backoff.nextMs(), config.snapshot);
    }
  }

  async #apply(opened: LastKnownGoodConfig, snapshot: ConfigSnapshot): Promise<boolean> {
    const { revision } = snapshot;
    try {
      if (!snapshot.isOffline) await opened.flush({ signal: this.#closed.signal, timeoutMs: Infinity });
      const paths = await this.#changes.apply(snapshot);
      this.#done = snapshot;
      this.#problem = undefined;
      if (paths.length > 0) this.#tell({ type: 'files-changed', revision, paths });
      else this.#statusWriter?.write();
      this.#news.emit();
      return true;
    } catch (cause) {
      if (this.#closed.signal.aborted) return false;
      this.#problem = failed('files could not be changed', cause);
      this.#tell({ type: 'changing-failed', revision, error: this.#problem });
      return false;
    }
  }

  /** Until so much time has passed, there is another snapshot than this, or it is closed. */
  async #pause(delayMs: number, seen: ConfigSnapshot): Promise<void> {
    const woken = new AbortController();
    const look = () => {
      if (this.#closed.signal.aborted || this.#opened?.config.snapshot !== seen) woken.abort();
    };
    const stop = this.#news.add(look);
    look();
    await sleep(this.#options.runtime, delayMs, { signal: woken.signal }).catch(() => {});
    stop();
  }

  #fail(error: unknown): void {
    if (this.#closed.signal.aborted) return;
    this.#failure = failed('the agent failed', error);
    this.#tell({ type: 'failed', error: this.#failure });
    this.#news.emit();
  }
}

function isLasting(error: unknown): boolean {
  return isQuorateError(error) && lastingCodes.includes(error.code);
}

function closedError(): QuorateError {
  return new QuorateError('closed', 'the agent is closed');
}

function failed(what: string, cause: unknown): QuorateError {
  if (isQuorateError(cause)) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new QuorateError('internal', `${what}: ${why}`, { cause });
}
