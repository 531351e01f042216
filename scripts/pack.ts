/** Packs what `npm publish` would publish, as built in `dist`, into a folder of its own. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

export interface Packed {
  /** A folder of its own, which holds the tarball and nothing else. */
  readonly folder: string;
  readonly tarball: string;
  /** Paths in the tarball. */
  readonly files: readonly string[];
  remove(): void;
}

export function pack(): Packed {
  const folder = mkdtempSync(join(tmpdir(), 'quorate-pack-'));
  const output = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const report: unknown = JSON.parse(output);
  const packed = (Array.isArray(report) ? report[0] : undefined) as
    | { filename: string; files: { path: string }[] }
    | undefined;
  if (packed === undefined) throw new Error(`npm pack reported ${output}`);
  return {
    folder,
    tarball: join(folder, packed.filename),
    files: packed.files.map((file) => file.path),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
