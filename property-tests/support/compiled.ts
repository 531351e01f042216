import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';

export interface CompileOptions {
  /** Source text of the file of properties, as one in the root. */
  readonly list: string;
  readonly plugins?: readonly Plugin[];
  /** Whether stacks of errors shall tell places in the sources. */
  readonly sourcemap?: boolean;
}

/**
 * What workers run, compiled into a folder of its own. As a few large files, which load faster than the many small ones of the sources;
 * and without what tsx does to every function whenever it is made, to keep its name: that is an eighth of the time of a simulation.
 */
export class Compiled {
  readonly root: string;
  /** The file of properties. */
  readonly properties: string;

  private constructor(root: string) {
    this.root = root;
    this.properties = join(root, 'stdin.js');
  }

  /** Rejects with what the compiler says. */
  static async of(
    root: string,
    { list, plugins = [], sourcemap = false }: CompileOptions,
  ): Promise<Compiled> {
    const compiled = new Compiled(mkdtempSync(join(tmpdir(), 'quorate-properties-')));
    try {
      await build({
        absWorkingDir: root,
        entryPoints: ['property-tests/support/worker.ts'],
        stdin: { contents: list, resolveDir: root, loader: 'ts' },
        outbase: root,
        outdir: compiled.root,
        bundle: true,
        // The worker and the properties have what both use in common.
        splitting: true,
        format: 'esm',
        platform: 'node',
        target: 'node20',
        packages: 'external',
        sourcemap,
        logLevel: 'silent',
        plugins: [...plugins],
      });
      writeFileSync(join(compiled.root, 'package.json'), '{ "type": "module" }');
      symlinkSync(join(root, 'node_modules'), join(compiled.root, 'node_modules'), 'dir');
      return compiled;
    } catch (error) {
      compiled.remove();
      throw error;
    }
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
