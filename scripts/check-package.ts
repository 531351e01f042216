/** Checks the packed tarball: what is in it, and that resolvers of all kinds find code and types. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { pack, root } from './pack.js';

const packed = pack();
const complaints: string[] = [];

function check(name: string, binary: string, args: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, 'node_modules', binary), ...args],
    {
      cwd: packed.folder,
      encoding: 'utf8',
    },
  );
  if (status !== 0) complaints.push(`${name}:\n${stdout}${stderr}`);
}

/** What the compiler says of the types to a program that is strict about those of others and has none of Node's. */
function checkTypes(): void {
  const program = ts.createProgram([join(root, 'dist/index.d.ts')], {
    lib: ['lib.es2022.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
    ...{ strict: true, noEmit: true, skipLibCheck: false, types: [] },
    ...{ target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext },
  });
  for (const { messageText, file } of ts.getPreEmitDiagnostics(program)) {
    complaints.push(`types of ${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`);
  }
}

try {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, string | Record<string, string>>;
  };
  for (const target of Object.values(manifest.exports).flatMap((value) =>
    typeof value === 'string' ? [value] : Object.values(value),
  )) {
    if (!packed.files.includes(target.slice(2)))
      complaints.push(`${target} is exported and not in the tarball`);
  }
  const stray = packed.files.filter(
    (path) => !/^(dist\/|docs\/[^/]+\.md$|package\.json$|README\.md$|LICENSE$|CHANGELOG\.md$)/.test(path),
  );
  if (stray.length > 0) complaints.push(`not meant to be packed: ${stray.join(', ')}`);
  checkTypes();
  check('publint', 'publint/src/cli.js', ['run', packed.tarball, '--strict']);
  check('attw', '@arethetypeswrong/cli/dist/index.js', [
    '--profile',
    'esm-only',
    '--no-emoji',
    packed.tarball,
  ]);
  if (complaints.length > 0) {
    console.error(complaints.join('\n'));
    process.exitCode = 1;
  } else {
    console.log(
      `package: ${packed.files.length} files, the compiler, publint and attw (esm-only) are content`,
    );
  }
} finally {
  packed.remove();
}
