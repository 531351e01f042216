import ts from 'typescript';

const options: ts.CompilerOptions = {
  lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts'],
  module: ts.ModuleKind.NodeNext,
  target: ts.ScriptTarget.ES2022,
  // Each file by itself: what an import is matters to nobody here, but that it is imported.
  noResolve: true,
  types: [],
};

/** "Cannot find name", and its kin. */
const undeclared: ReadonlySet<number> = new Set([2304, 2552, 18004]);

/** What these texts use and nobody declares, by what the text is called. Fit for modules that use nothing of Node's but imports. */
export function undeclaredNames(texts: ReadonlyMap<string, string>): readonly string[] {
  const files = new Map([...texts].map(([name, text]) => [`/${name}.ts`, { name, text }]));
  const host = ts.createCompilerHost(options);
  const { fileExists, getSourceFile } = host;
  host.fileExists = (path) => files.has(path) || fileExists(path);
  host.getSourceFile = (path, ...how) => {
    const file = files.get(path);
    if (file === undefined) return getSourceFile(path, ...how);
    return ts.createSourceFile(path, file.text, ts.ScriptTarget.ES2022);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  return [...files].flatMap(([path, { name }]) =>
    program
      .getSemanticDiagnostics(program.getSourceFile(path))
      .filter(({ code }) => undeclared.has(code))
      .map(({ messageText }) => `${name}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`),
  );
}
