import { mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { Mutant } from './mutant.js';

/** The mutant does not fit the sources any more. */
export class StaleMutant extends Error {
  override readonly name = 'StaleMutant';
}

/**
 * The sources with the mutant planted in them, compiled into a folder of its own. As a few large files: to load the many small ones of
 * the sources takes longer than most mutants live.
 */
export class Workspace {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  /** `properties`: the file of properties, relative to the root. Throws {@link StaleMutant}, and what the compiler says. */
  static async of(root: string, mutant: Mutant, properties: string): Promise<Workspace> {
    const contents = patchedText(root, mutant);
    const workspace = new Workspace(mkdtempSync(join(tmpdir(), 'quorate-mutant-')));
    let isPlanted = false;
    try {
      await build({
        absWorkingDir: root,
        entryPoints: ['property-tests/support/worker.ts', properties],
        outbase: root,
        outdir: workspace.root,
        bundle: true,
        // The worker and the properties have what both use in common.
        splitting: true,
        format: 'esm',
        platform: 'node',
        target: 'node20',
        packages: 'external',
        keepNames: true,
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
