import {
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import type { Mutant } from './mutant.js';

/** The mutant does not fit the sources any more. */
export class StaleMutant extends Error {
  override readonly name = 'StaleMutant';
}

/**
 * The sources with the mutant planted in them, compiled into a folder of its own. As a few large files, and of the properties only the
 * one that should find it: to load the many small files of the sources, or to compile all of them, takes longer than most mutants live.
 */
export class Workspace {
  readonly root: string;
  /** The compiled file of properties. */
  readonly properties: string;

  private constructor(root: string) {
    this.root = root;
    this.properties = join(root, 'stdin.js');
  }

  /** `properties`: the file of all properties, relative to the root. Throws {@link StaleMutant}, and what the compiler says. */
  static async of(root: string, mutant: Mutant, properties: string): Promise<Workspace> {
    const contents = patchedText(root, mutant);
    const workspace = new Workspace(mkdtempSync(join(tmpdir(), 'quorate-mutant-')));
    let isPlanted = false;
    try {
      await build({
        absWorkingDir: root,
        entryPoints: ['property-tests/support/worker.ts'],
        stdin: { contents: listOf(root, mutant, properties), resolveDir: root, loader: 'ts' },
        outbase: root,
        outdir: workspace.root,
        bundle: true,
        // The worker and the properties have what both use in common.
        splitting: true,
        format: 'esm',
        platform: 'node',
        target: 'node20',
        packages: 'external',
        logLevel: 'silent',
        plugins: [
          {
            name: 'plant',
            setup: ({ onLoad }) =>
              onLoad({ filter: exactly(join(realpathSync(root), mutant.file)) }, () => {
                isPlanted = true;
                return { contents, loader: 'ts' };
              }),
          },
        ],
      });
      if (!isPlanted) throw new StaleMutant(`stale: the properties do not load ${mutant.file}`);
      writeFileSync(join(workspace.root, 'package.json'), '{ "type": "module" }');
      symlinkSync(join(root, 'node_modules'), join(workspace.root, 'node_modules'), 'dir');
      return workspace;
    } catch (error) {
      workspace.remove();
      throw error;
    }
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** A file of properties: with the mutant's alone, if that has a file of its own beside the one of all. */
function listOf(root: string, { killedBy }: Mutant, properties: string): string {
  const own = join(dirname(properties), `${killedBy}.ts`);
  if (!existsSync(join(root, own))) return `export * from './${properties}';`;
  return `import * as all from './${own}'; export const properties = Object.values(all);`;
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

function exactly(path: string): RegExp {
  return new RegExp(`^${path.replace(/[^\w/]/g, '\\$&')}$`);
}
