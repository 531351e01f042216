import { isQuorateError, QuorateError } from '../../errors.js';
import {
  checkWaitOptions,
  defaultTimeoutMs,
  Listeners,
  TimeLeft,
  type WaitOptions,
} from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { checkName } from '../../store/index.js';
import { Config } from '../config.js';
import type { ConfigPicture } from '../reading/options.js';
import { type ConfigProblem, seedProblemOf } from '../reading/problem.js';
import type { LastKnownGoodEvent } from './events.js';
import { LastKnownGoodKeeper } from './keeper.js';
import { LastKnownGoodFile } from './last-known-good-file.js';
import {
  type CheckedLastKnownGoodOptions,
  checkLastKnownGoodOptions,
  type LastKnownGoodOptions,
} from './last-known-good-options.js';
import { LaterConnection } from './later-connection.js';
import { refusedFile } from './refusal.js';
import type { SavedPicture } from './saved-picture.js';

/**
 * A configuration whose last good revision is kept on disk, so that a process can start while the store is away. The protocol of
 * the files is told in last-known-good-file.ts.
 *
 * - Where the store answers within `offlineAfterMs` it is read, and the file is not looked at. Otherwise readers are given what is on disk,
 *   `config.snapshot.isOffline` being true, until the store was read; nothing below that revision of the same cluster is given then.
 * - Every revision that readers are given is kept after it, in the background; of those that come meanwhile, the newest. A failure is told by
 *   an event and tried again, and ends nothing.
 * - Guaranteed: what is read from disk is one revision, whole, of this configuration, scope and instance; it passes the schemas; none
 *   is replaced by an older one of its cluster, by any process that shares the path, wherever these crash or pause. Otherwise it
 *   is refused, and told why. What `kept` names outlasts a crash of the machine, as far as its disk keeps what it was told to sync.
 * - Not guaranteed: that what is on disk is what the store has. It may be older by as long as this process was away.
 * - The id of the cluster is not known while it is away. What is on disk of another cluster at the same addresses is used, unless `clusterId`
 *   says which one it is to be; once the store answers, `other-cluster` is told and the other's documents are given.
 * - Cost: no request more than a {@link Config}; for a revision one file that is written and synced, and its folder listed and synced.
 */
export class LastKnownGoodConfig implements AsyncDisposable {
  readonly config: Config;
  /** What was begun with, if it was begun offline. */
  readonly startedWith: Pick<ConfigPicture, 'clusterId' | 'revision'> | undefined;
  readonly #connection: LaterConnection;
  readonly #keeper: LastKnownGoodKeeper;
  #isOnline = false;
  #isBehind = false;

  private constructor(
    options: CheckedLastKnownGoodOptions,
    parts: {
      config: Config;
      file: LastKnownGoodFile;
      connection: LaterConnection;
      seed: SavedPicture | undefined;
    },
  ) {
    const { config, file, connection, seed } = parts;
    const { runtime, onEvent } = options;
    this.config = config;
    this.startedWith = seed && { clusterId: seed.clusterId, revision: seed.revision };
    this.#connection = connection;
    this.#keeper = new LastKnownGoodKeeper({ file, runtime, onEvent });
    const take = () => this.#take(onEvent);
    config.onUpdate(take);
    take();
    const look = () => this.#lookBehind(onEvent);
    config.onProblem(look);
    look();
  }

  /**
   * Opens it. Default time limit 10 s, and no less than `offlineAfterMs`.
   *
   * Errors: `unreachable`, if the store does not answer and there is no file that can be used (`details.reason`); otherwise as
   * {@link Config.open}.
   */
  static async open(name: string, options: LastKnownGoodOptions): Promise<LastKnownGoodConfig> {
    checkName(name, 'config name');
    const checked = checkLastKnownGoodOptions(options);
    const onEvent = quiet(checked.onEvent);
    const { connect, keys, runtime, clusterId, closeClient, offlineAfterMs } = checked;
    const { path, mode, fileSystem: files, scope, instance, documents } = checked;
    const { signal, timeoutMs = Math.max(defaultTimeoutMs, 2 * offlineAfterMs) } = options;
    const left = new TimeLeft(runtime, { signal, timeoutMs }, `opening the configuration ${name}`);
    const file = new LastKnownGoodFile({
      ...{ keys: keys.prefix('config', name), path, mode, files, runtime, scope, instance },
      documents: documents.map((document) => document.name),
    });
    const connection = new LaterConnection({
      ...{ connect, keys, runtime, clusterId, closeClient },
      onFailure: (error) => onEvent({ type: 'connecting-failed', error }),
    });
    const parts = { file, connection };
    try {
      const reading = { documents, scope, instance, proveEveryMs: checked.proveEveryMs };
      const online = { ...left.all(), ...reading };
      const waitMs = Math.min(offlineAfterMs, online.timeoutMs ?? offlineAfterMs);
      try {
        const config = await Config.open(connection.source, name, { ...online, timeoutMs: waitMs });
        return new LastKnownGoodConfig({ ...checked, onEvent }, { ...parts, config, seed: undefined });
      } catch (cause) {
        if (!isAway(cause)) throw cause;
        const seed = await readInstead(file, cause, { ...checked, onEvent });
        const opening = Config.open(connection.source, name, { ...left.all(), ...reading, seed });
        const config = await opening.catch((error: unknown) => {
          throw refusedBySchema(error, { ...checked, onEvent });
        });
        const begun = { ...parts, config, seed: config.seedProblem === undefined ? seed : undefined };
        const { revision, savedAtMs } = seed;
        if (config.seedProblem === undefined) {
          onEvent({ type: 'started-offline', revision, clusterId: seed.clusterId, savedAtMs, cause });
        } else onEvent({ type: 'file-refused', error: schemaRefusal(checked.path, config.seedProblem) });
        return new LastKnownGoodConfig({ ...checked, onEvent }, begun);
      }
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  /** The client that `connect` opened; undefined: none yet. */
  get client(): Client | undefined {
    return this.#connection.client;
  }

  /** There is a file of this revision, or of a newer one, which outlasts a crash of the machine. Undefined: none of this process yet. */
  get kept(): Pick<ConfigPicture, 'clusterId' | 'revision'> | undefined {
    return this.#keeper.kept;
  }

  /** Why what readers are given is not kept; undefined: it is, or it is being written. */
  get problem(): QuorateError | undefined {
    return this.#keeper.problem;
  }

  /** Resolves once what readers are given now is on disk for good. Default time limit 10 s. Errors: `aborted`, `timeout`, `closed`. */
  async flush(options: WaitOptions = {}): Promise<void> {
    checkWaitOptions(options, 'keeping a configuration on disk');
    await this.#keeper.flush({ timeoutMs: defaultTimeoutMs, ...options });
  }

  /** Ends it, once what was not kept yet has been tried again; what is there stays readable. Idempotent, and never rejects. */
  async close(): Promise<void> {
    await this.config.close();
    await this.#keeper.close();
    await this.#connection.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #take(onEvent: (event: LastKnownGoodEvent) => void): void {
    const { config, startedWith } = this;
    if (config.snapshot.isOffline) return;
    const picture = config.picture();
    const { clusterId, revision } = picture;
    if (!this.#isOnline) {
      this.#isOnline = true;
      if (startedWith !== undefined && startedWith.clusterId !== clusterId) {
        onEvent({ type: 'other-cluster', expected: startedWith.clusterId, found: clusterId });
      }
      onEvent({ type: 'online', revision, clusterId });
    }
    this.#keeper.keep(picture);
  }

  /** Once: it goes on for as long as the cluster is behind. */
  #lookBehind(onEvent: (event: LastKnownGoodEvent) => void): void {
    const { config, startedWith } = this;
    const { problem } = config;
    if (this.#isBehind || startedWith === undefined || problem === undefined) return;
    if (!problem.failures.some(({ error }) => error.code === 'future-revision')) return;
    this.#isBehind = true;
    onEvent({ type: 'cluster-behind', ...startedWith, found: problem.revision });
  }
}

async function readInstead(
  file: LastKnownGoodFile,
  cause: QuorateError,
  { clusterId, onEvent }: Pick<CheckedLastKnownGoodOptions, 'clusterId' | 'onEvent'>,
): Promise<SavedPicture> {
  try {
    return await file.read(clusterId);
  } catch (error) {
    if (!isQuorateError(error)) throw error;
    onEvent({ type: 'file-refused', error });
    throw neither(error, cause);
  }
}

/** The error of an opening, in which nothing could be begun with the file, and the store did not answer. */
function refusedBySchema(
  cause: unknown,
  { path, onEvent }: Pick<CheckedLastKnownGoodOptions, 'path' | 'onEvent'>,
): unknown {
  const problem = isQuorateError(cause, 'unreachable') ? seedProblemOf(cause) : undefined;
  if (problem === undefined) return cause;
  const error = schemaRefusal(path, problem);
  onEvent({ type: 'file-refused', error });
  return neither(error, cause);
}

function schemaRefusal(path: string, { failures }: ConfigProblem): QuorateError {
  const [first] = failures;
  const documents = failures.map(({ document }) => document).join(', ');
  return refusedFile('refused-by-schema', path, `of ${documents}, ${first?.error.message}`, first?.error);
}

function neither(refusal: QuorateError, cause: unknown): QuorateError {
  const message = `the store does not answer, and ${refusal.message}`;
  return new QuorateError('unreachable', message, { cause, details: refusal.details });
}

function isAway(error: unknown): error is QuorateError {
  return isQuorateError(error) && ['unavailable', 'unreachable', 'timeout'].includes(error.code);
}

/** What a listener throws hurts nobody. */
function quiet(onEvent: (event: LastKnownGoodEvent) => void): (event: LastKnownGoodEvent) => void {
  const listeners = new Listeners<LastKnownGoodEvent>();
  listeners.add(onEvent);
  return (event) => listeners.emit(event);
}
