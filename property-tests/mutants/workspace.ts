import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Mutant } from './mutant.js';

const copied = ['src', 'property-tests', 'package.json', 'tsconfig.json'];
const leftOut = /\/property-tests\/failures$/;

/** The mutant does not fit the sources any more. */
export class StaleMutant extends Error {
  override readonly name = 'StaleMutant';
}

/** A copy of the repository with the mutant planted in it. */
export class Workspace {
  readonly root: string;

  constructor(root: string, mutant: Mutant) {
    this.root = mkdtempSync(join(tmpdir(), 'quorate-mutant-'));
    try {
      const patched = patchedText(root, mutant);
      for (const name of copied) {
        cpSync(join(root, name), join(this.root, name), {
          recursive: true,
          filter: (path) => !leftOut.test(path),
        });
      }
      symlinkSync(join(root, 'node_modules'), join(this.root, 'node_modules'), 'dir');
      writeFileSync(join(this.root, mutant.file), patched);
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** The text of its file with the mutant in it. Throws {@link StaleMutant}. */
export function patchedText(root: string, { file, find, replace }: Mutant): string {
  const parts = readFileSync(join(root, file), 'utf8').split(find);
  if (find === '' || parts.length !== 2) {
    throw new StaleMutant(
      `stale: ${file} has its text ${find === '' ? 'nowhere' : `${parts.length - 1} times`}`,
    );
  }
  return parts.join(replace);
}
