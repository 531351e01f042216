import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Compiled } from '../support/compiled.js';
import type { Mutant } from './mutant.js';

/** The mutant does not fit the sources any more. */
export class StaleMutant extends Error {
  override readonly name = 'StaleMutant';
}

/**
 * The sources with the mutant planted in them, compiled. Of the properties only the one that should find it: to compile and to load all
 * takes longer than most mutants live. `properties`: the file of all, relative to the root. Throws {@link StaleMutant}, and what the
 * compiler says.
 */
export async function plant(root: string, mutant: Mutant, properties: string): Promise<Compiled> {
  const contents = patchedText(root, mutant);
  const filter = exactly(join(realpathSync(root), mutant.file));
  let isPlanted = false;
  const compiled = await Compiled.of(root, {
    list: listFor(mutant, root, properties),
    plugins: [
      {
        name: 'plant',
        setup: ({ onLoad }) =>
          onLoad({ filter }, () => {
            isPlanted = true;
            return { contents, loader: 'ts' };
          }),
      },
    ],
  });
  if (isPlanted) return compiled;
  compiled.remove();
  throw new StaleMutant(`stale: the property does not load ${mutant.file}`);
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

/** A property has a file of its own, of its name, beside the one of all; if not, all are loaded. */
function listFor({ killedBy }: Mutant, root: string, properties: string): string {
  const own = join(dirname(properties), `${killedBy}.ts`);
  if (!existsSync(join(root, own))) return `export * from './${properties}';`;
  return `import * as all from './${own}'; export const properties = Object.values(all);`;
}

function exactly(path: string): RegExp {
  return new RegExp(`^${path.replace(/[^\w/]/g, '\\$&')}$`);
}
