import type { ConfigSnapshot } from '../reading/snapshot.js';
import { AgentFiles } from './agent-files.js';
import type { CheckedAgentOptions } from './agent-options.js';
import { type CommandRun, CommandRunner } from './command.js';
import { OwedMark, owedMarkPath } from './owed-mark.js';

export interface AgentChangesListeners {
  readonly onRun: (run: CommandRun) => void;
  /** These files are about to be replaced, and somebody else has changed them since this agent did. */
  readonly onForeign: (paths: readonly string[]) => void;
}

/** Makes files as a snapshot has them, and has the command run after that. */
export class AgentChanges {
  readonly runner: CommandRunner | undefined;
  readonly #files: AgentFiles;
  readonly #mark: OwedMark | undefined;
  #isSwept = false;
  /** Paths of files that were changed, or may have been, since the last time that all went well. */
  readonly #touched = new Set<string>();

  readonly #onForeign: AgentChangesListeners['onForeign'];

  constructor(options: CheckedAgentOptions, { onRun, onForeign }: AgentChangesListeners) {
    this.#onForeign = onForeign;
    const { fileSystem, runtime, files, command, runProgram: run, opening } = options;
    this.#files = new AgentFiles(fileSystem, runtime, files);
    if (command === undefined) return;
    const mark = new OwedMark(fileSystem, runtime, owedMarkPath(opening.lastKnownGoodPath));
    this.#mark = mark;
    // What is not taken away has the command run once more after the next start.
    const onPaid = (isOwed: () => boolean) => mark.clear(isOwed).catch(() => {});
    this.runner = new CommandRunner({ command, runtime, run, onPaid, onRun });
  }

  /** Resolves with the paths of those that were changed since the last that succeeded. May be called again where it fails. */
  async apply(snapshot: ConfigSnapshot): Promise<readonly string[]> {
    if (!this.#isSwept) await this.#sweep(snapshot.revision);
    const due = await this.#files.due(snapshot);
    const foreign = due.filter(({ isForeign }) => isForeign);
    if (foreign.length > 0) this.#onForeign(foreign.map(({ file }) => file.path));
    if (due.length > 0) await this.#mark?.beginChange();
    const before = [...this.#touched];
    for (const one of due) {
      // What fails may have been done all the same.
      this.#touched.add(one.file.path);
      await this.#files.change(one);
    }
    for (const path of before) await this.#files.makeDurable(path);
    const changed = [...this.#touched];
    this.#touched.clear();
    if (changed.length > 0) {
      this.runner?.owe(snapshot.revision);
      this.#mark?.endChange();
    }
    return changed;
  }

  close(): Promise<void> {
    return this.runner?.close() ?? Promise.resolve();
  }

  async #sweep(revision: number): Promise<void> {
    await this.#files.sweep();
    if (await this.#mark?.isLeft()) this.runner?.owe(revision);
    this.#isSwept = true;
  }
}
