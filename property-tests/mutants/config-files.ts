/** Bugs of configurations that are kept on disk, and of what is made of them for others. */
import type { Mutant } from './mutant.js';

const replacing = 'src/config/files/replace-file.ts';
const keeping = 'src/config/last-known-good/last-known-good-file.ts';
const command = 'src/config/agent/command.ts';
const changes = 'src/config/agent/agent-changes.ts';
const killedBy = 'config-files';

export const configFilesMutants: readonly Mutant[] = [
  {
    name: 'config-files-in-place',
    file: replacing,
    find: `    await files.create(beside, content, access);
    // A name that is durable before its content is one for nothing.
    await files.syncFile(beside);
    await files.rename(beside, path);`,
    replace: `    await files.remove(path);
    await files.create(path, content, access);
    await files.syncFile(path);`,
    story: 'written in place: whoever reads it meanwhile has none, or half of it',
    ...{ killedBy, invariant: 'CONFIG-11, CONFIG-10' },
  },
  {
    name: 'config-files-renamed-before-synced',
    file: replacing,
    find: '    await files.syncFile(beside);\n',
    replace: '',
    story: 'write and rename, as most do it: after a power failure the new name has an empty file',
    ...{ killedBy, invariant: 'CONFIG-11, CONFIG-10' },
  },
  {
    name: 'config-files-folder-not-synced',
    file: replacing,
    find: '  await files.syncFolder(dirname(path));',
    replace: '',
    story: 'the content is on disk, and its name is not: what was said to be kept is gone',
    ...{ killedBy, invariant: 'CONFIG-10, CONFIG-11' },
  },
  {
    name: 'config-files-no-checksum',
    file: 'src/config/last-known-good/saved-picture.ts',
    find: " || crc32(body) !== heading['crc32']",
    replace: '',
    story: 'a file that can be parsed is taken for a good one',
    ...{ killedBy, invariant: 'CONFIG-10, CONFIG-11' },
  },
  {
    name: 'config-files-lower-accepted',
    file: keeping,
    find: `    if (newer !== undefined) {
      await this.#makeDurable(newer.name);
      return { clusterId, revision: newer.revision, replaced: [] };
    }`,
    replace: '',
    story: 'of two processes that share a path the last to write wins, and not the newer',
    ...{ killedBy, invariant: 'CONFIG-10' },
  },
  {
    name: 'config-files-old-removed-first',
    file: keeping,
    find: '    const found = await this.#found();\n    for (const { refusal } of found) if',
    replace: `    const found = await this.#found();
    for (const { name } of found) await this.#remove(name);
    for (const { refusal } of found) if`,
    story: 'room is made for the new before it is there: a crash in between leaves nothing',
    ...{ killedBy, invariant: 'CONFIG-10' },
  },
  {
    name: 'config-files-before-the-last-known-good',
    file: 'src/config/agent/config-agent.ts',
    find: 'if (!snapshot.isOffline) await opened.flush(',
    replace: 'if (snapshot.isOffline) await opened.flush(',
    story: 'files first, and what a start without the store begins with later: it takes the files back',
    ...{ killedBy, invariant: 'CONFIG-11' },
  },
  {
    name: 'config-files-commands-overlap',
    file: command,
    find: 'this.#working ??= this.#work();',
    replace: 'this.#working = this.#work();',
    story: 'each change starts its command: two reloads at a time, and the older may be the last to end',
    ...{ killedBy, invariant: 'CONFIG-12' },
  },
  {
    name: 'config-files-change-while-it-runs-forgotten',
    file: command,
    find: 'if (this.#owed === owed) this.#owed = undefined;',
    replace: 'this.#owed = undefined;',
    story: 'a busy flag: what changes while the command runs is followed by none',
    ...{ killedBy, invariant: 'CONFIG-12, not live' },
  },
  {
    name: 'config-files-failed-command-forgotten',
    file: command,
    find: 'const isDone = result.exitCode === 0;',
    replace: 'const isDone = result.exitCode !== undefined;',
    story: 'a command that failed is told, and not run again',
    ...{ killedBy, invariant: 'CONFIG-12' },
  },
  {
    name: 'config-files-done-though-it-failed',
    file: changes,
    find: `      this.#touched.add(one.file.path);
      await this.#files.change(one);`,
    replace: `      await this.#files.change(one);
      this.#touched.add(one.file.path);`,
    story: 'what failed counts as not done: the next look finds the file as it should be, and runs nothing',
    ...{ killedBy, invariant: 'CONFIG-12' },
  },
  {
    name: 'config-files-owed-in-memory',
    file: changes,
    find: 'if (await this.#mark?.isLeft()) this.runner?.owe(revision);',
    replace: '',
    story:
      'it dies between the file and the command: the next start finds the file as it should be, and runs nothing',
    ...{ killedBy, invariant: 'CONFIG-12' },
  },
];
