import type { QuorateError } from '../../errors.js';
import { bytesOf } from '../../store/index.js';

/** How an agent stands. */
export interface AgentStatus {
  /**
   * - `starting`: no revision was given yet; files are as they were found.
   * - `offline`: files are those of the last known good; the store was not reached yet.
   * - `current`: files are of the newest revision that was given. While the store is away `stalenessMs` tells for how long.
   * - `behind`: they are to be changed, which is under way, or fails: see `problem`.
   * - `failed`: nothing newer will ever be given, for the reason that `problem` tells. Files stay.
   * - `closed`
   */
  readonly state: 'starting' | 'offline' | 'current' | 'behind' | 'failed' | 'closed';
  readonly configuration: string;
  /** Of the files. Undefined: it is not known yet. */
  readonly revision: number | undefined;
  readonly clusterId: string | undefined;
  /** How old the files may be, in ms: all that was committed so long ago is in them. Infinity: nothing is known. */
  readonly stalenessMs: number;
  /** What keeps the agent from starting, files from being changed, or documents from being given. */
  readonly problem: QuorateError | undefined;
  readonly files: readonly string[];
  /** How many times this agent found a file that it was to replace, and that somebody else had changed since. */
  readonly changedByOthers: number;
  readonly command:
    | {
        readonly isRunning: boolean;
        /** Files were changed after the beginning of the last run that succeeded. */
        readonly isOwed: boolean;
        /** Runs that failed since the last that succeeded. */
        readonly failures: number;
        readonly lastExitCode: number | undefined;
      }
    | undefined;
}

/** For programs in other languages. Times are of the wall clock; a file that was not written for long is of an agent that is gone. */
export function statusFileContent(status: AgentStatus, wallMs: number): Uint8Array {
  const { stalenessMs, problem, ...plain } = status;
  const told = {
    ...plain,
    writtenAt: timeOf(wallMs),
    freshAt: Number.isFinite(stalenessMs) ? timeOf(wallMs - stalenessMs) : null,
    problem: problem === undefined ? null : { code: problem.code, message: problem.message },
  };
  return bytesOf(`${JSON.stringify(told, null, 2)}\n`);
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
