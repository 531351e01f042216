import { invalidArgument, shown } from '../../errors.js';
import { type Runtime, systemRuntime } from '../../runtime/index.js';
import { Keyspace } from '../../store/index.js';
import { checkFunction, checkMethods, checkObject } from '../arguments.js';
import type { FileSystem } from '../files/file-system.js';
import { nodeFileSystem } from '../files/node-file-system.js';
import { type CheckedConfigOptions, type ConfigOptions, checkConfigOptions } from '../reading/options.js';
import type { ConfigInstance } from '../rollout/rule.js';
import type { LastKnownGoodEvent } from './events.js';
import type { Connect } from './later-connection.js';

export interface LastKnownGoodOptions extends Omit<ConfigOptions, 'seed'> {
  /**
   * Opens the client, as the process does. It is called again, with growing pauses, until it succeeds, or fails with an error of this
   * library that time does not mend, as `unauthenticated` or `invalid-argument`.
   */
  connect: Connect;
  /** The namespace of that client. Default `'quorate'`. */
  namespace?: string | undefined;
  /** Who this process is. Needed here: what one instance is given of a rollout is not for another. */
  instance: ConfigInstance;
  /**
   * Files are named by this path, the cluster and the revision. Its folder must exist. Processes that share it must be of one scope
   * and one instance, and read the same documents.
   */
  lastKnownGoodPath: string;
  /** Permission bits of these files. Default 0o600. */
  mode?: number | undefined;
  /** Id of the one cluster that it may be: files of others are refused, and so is the cluster. Default: any. */
  clusterId?: string | undefined;
  /** So long the store is waited for before the file is read, in ms. Default 5,000. */
  offlineAfterMs?: number | undefined;
  /** Close the client with it. Default true. */
  closeClient?: boolean | undefined;
  /** Default: the real clocks, timers and randomness of this process. */
  runtime?: Runtime | undefined;
  /** Default: that of this machine. */
  fileSystem?: FileSystem | undefined;
  onEvent?: ((event: LastKnownGoodEvent) => void) | undefined;
}

export interface CheckedLastKnownGoodOptions extends CheckedConfigOptions {
  readonly connect: Connect;
  readonly keys: Keyspace;
  readonly path: string;
  readonly mode: number | undefined;
  readonly clusterId: string | undefined;
  readonly offlineAfterMs: number;
  readonly closeClient: boolean;
  readonly runtime: Runtime;
  readonly fileSystem: FileSystem;
  readonly onEvent: (event: LastKnownGoodEvent) => void;
}

const defaultOfflineAfterMs = 5_000;
const fileCalls: readonly (keyof FileSystem)[] = [
  ...(['read', 'list', 'create', 'syncFile', 'syncFolder', 'rename', 'remove', 'modifiedAtMs'] as const),
];

/** Fills in the defaults; refuses with `invalid-argument` what makes no sense. */
export function checkLastKnownGoodOptions(options: LastKnownGoodOptions): CheckedLastKnownGoodOptions {
  checkObject(options, 'options', 'an object with connect, documents, instance and lastKnownGoodPath');
  const {
    connect,
    lastKnownGoodPath: path,
    mode,
    clusterId,
    namespace = 'quorate',
    instance,
    onEvent = () => {},
  } = options;
  const { offlineAfterMs = defaultOfflineAfterMs, closeClient = true } = options;
  const { runtime = systemRuntime, fileSystem = nodeFileSystem } = options;
  checkFunction(connect, 'connect', 'a function that opens a client');
  if (instance === undefined) throw invalidArgument('there is no instance', 'an instance, whose id stays');
  checkPath(path, 'lastKnownGoodPath');
  checkMode(mode);
  if (!(typeof offlineAfterMs === 'number' && offlineAfterMs > 0)) {
    throw invalidArgument(`offlineAfterMs is ${shown(offlineAfterMs)}`, 'a number of milliseconds above 0');
  }
  if (clusterId !== undefined && (typeof clusterId !== 'string' || clusterId === '')) {
    throw invalidArgument(`clusterId is ${shown(clusterId)}`, 'the id of a cluster, or none');
  }
  if (typeof closeClient !== 'boolean') {
    throw invalidArgument(`closeClient is ${shown(closeClient)}`, 'true or false');
  }
  checkMethods(
    runtime,
    'runtime',
    ['monotonicMs', 'wallMs', 'setTimer', 'random', 'newId'],
    'a Runtime, or none',
  );
  checkMethods(fileSystem, 'fileSystem', fileCalls, 'a file system, or none');
  checkFunction(onEvent, 'onEvent', 'a function, or none');
  const keys = new Keyspace(namespace);
  return {
    ...checkConfigOptions({ ...options, seed: undefined }, ''),
    ...{ connect, keys, path, mode, clusterId, offlineAfterMs, closeClient, runtime, fileSystem, onEvent },
  };
}

export function checkPath(path: unknown, name: string): asserts path is string {
  if (typeof path === 'string' && path !== '' && !path.endsWith('/') && !path.includes('\0')) return;
  throw invalidArgument(`${name} is ${shown(path)}`, 'the path of a file');
}

export function checkMode(mode: unknown): void {
  if (mode === undefined || (Number.isInteger(mode) && (mode as number) >= 0 && (mode as number) <= 0o777))
    return;
  throw invalidArgument(`mode is ${shown(mode)}`, 'permission bits, from 0 to 0o777, or none');
}
