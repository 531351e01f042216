import { resolve } from 'node:path';
import { invalidArgument, type QuorateError, shown } from '../../errors.js';
import { type RunProgram, type Runtime, runProgram, systemRuntime } from '../../runtime/index.js';
import { checkFunction, checkObject } from '../arguments.js';
import type { FileSystem } from '../files/file-system.js';
import { nodeFileSystem } from '../files/node-file-system.js';
import type { LastKnownGoodEvent } from '../last-known-good/events.js';
import {
  checkLastKnownGoodOptions,
  checkPath,
  type LastKnownGoodOptions,
} from '../last-known-good/last-known-good-options.js';
import { type AgentFile, type CheckedAgentFile, checkAgentFiles } from './agent-file.js';
import { type AgentCommand, type CommandRun, checkAgentCommand } from './command.js';
import { owedMarkPath } from './owed-mark.js';

/** What an agent tells. Only `failed` is the end of anything. */
export type ConfigAgentEvent =
  | LastKnownGoodEvent
  /**
   * There is nothing to begin with yet: neither the store nor a file, a document that does not pass its schema, a schema that does not
   * answer, whatever else may pass; or what was begun without the store cannot go on with it. It is tried again.
   */
  | { readonly type: 'start-failed'; readonly error: QuorateError }
  /** Files were changed: all are of this revision now. */
  | { readonly type: 'files-changed'; readonly revision: number; readonly paths: readonly string[] }
  /** These files are replaced, and were not as this agent had left them: somebody else writes them, another agent perhaps. */
  | { readonly type: 'changed-by-others'; readonly paths: readonly string[] }
  /** Files could not be changed, all or some; it is tried again. */
  | { readonly type: 'changing-failed'; readonly revision: number; readonly error: QuorateError }
  /** A revision is not given, since a document of it does not pass its schema. */
  | { readonly type: 'document-refused'; readonly revision: number; readonly error: QuorateError }
  /** The command has ended. Where its `exitCode` is not 0 it is run again. */
  | { readonly type: 'command-ended'; readonly run: CommandRun }
  | { readonly type: 'status-failed'; readonly error: QuorateError }
  /** Nothing newer will ever be given. */
  | { readonly type: 'failed'; readonly error: QuorateError };

export interface ConfigAgentOptions extends Omit<LastKnownGoodOptions, 'onEvent' | 'signal' | 'timeoutMs'> {
  files: readonly AgentFile[];
  /** Run after files were changed. */
  command?: AgentCommand | undefined;
  /** A file that tells how the agent stands, for programs in other languages. Default: none. */
  statusPath?: string | undefined;
  /** It is written at every change, and so often, in ms. Default 10,000. */
  statusEveryMs?: number | undefined;
  onEvent?: ((event: ConfigAgentEvent) => void) | undefined;
  /** Default: programs of this machine. */
  runProgram?: RunProgram | undefined;
}

export interface CheckedAgentOptions {
  readonly opening: Omit<LastKnownGoodOptions, 'onEvent' | 'signal' | 'timeoutMs'>;
  readonly files: readonly CheckedAgentFile[];
  readonly command: AgentCommand | undefined;
  readonly statusPath: string | undefined;
  readonly statusEveryMs: number;
  readonly onEvent: (event: ConfigAgentEvent) => void;
  readonly runProgram: RunProgram;
  readonly runtime: Runtime;
  readonly fileSystem: FileSystem;
}

const defaultStatusEveryMs = 10_000;

/** Fills in the defaults; refuses with `invalid-argument` what makes no sense. */
export function checkAgentOptions(options: ConfigAgentOptions): CheckedAgentOptions {
  checkObject(options, 'options', 'an object with files, and what a last known good asks for');
  const { files, command, statusPath, statusEveryMs = defaultStatusEveryMs, ...rest } = options;
  const { onEvent = () => {}, runProgram: run = runProgram, ...opening } = rest;
  checkLastKnownGoodOptions(opening);
  checkFunction(onEvent, 'onEvent', 'a function, or none');
  checkFunction(run, 'runProgram', 'a function that runs a program, or none');
  const checked = checkAgentFiles(files);
  checkAgentCommand(command);
  if (statusPath !== undefined) checkPath(statusPath, 'statusPath');
  const paths = checked.map(({ path }) => path);
  checkApart([
    ...[...paths, ...(statusPath === undefined ? [] : [statusPath])],
    ...(command === undefined ? [] : [owedMarkPath(opening.lastKnownGoodPath)]),
  ]);
  if (!(typeof statusEveryMs === 'number' && statusEveryMs > 0)) {
    throw invalidArgument(`statusEveryMs is ${shown(statusEveryMs)}`, 'a number of milliseconds above 0');
  }
  const { runtime = systemRuntime, fileSystem = nodeFileSystem } = opening;
  return {
    ...{ opening, files: checked, command, statusPath, statusEveryMs, onEvent, runProgram: run },
    ...{ runtime, fileSystem },
  };
}

/** Each would be overwritten by the other. Links are not looked at. */
function checkApart(paths: readonly string[]): void {
  const seen = new Map<string, string>();
  for (const path of paths) {
    const place = resolve(path);
    const other = seen.get(place);
    if (other !== undefined) {
      const both = other === path ? `two files are at ${path}` : `${other} and ${path} are one file`;
      throw invalidArgument(both, 'files, the status and the mark of the command each at another path');
    }
    seen.set(place, path);
  }
}
