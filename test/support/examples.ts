import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** What stands between three backticks with something behind them, and the next three. */
export interface Block {
  /** What stands behind the backticks, such as `sql advance`. */
  readonly info: string;
  readonly text: string;
}

export function blocksOf(page: string): readonly Block[] {
  return [...page.matchAll(/^```(\S.*)\n([\s\S]*?)^```$/gm)].map(([, info = '', text = '']) => ({
    info,
    text,
  }));
}

/** Runs a TypeScript program as somebody does who has this package, from its sources; rejects if it fails. */
export async function runExample(
  file: string,
  env: NodeJS.ProcessEnv = {},
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const tsx = ['--import', import.meta.resolve('tsx')];
  return promisify(execFile)(process.execPath, [...tsx, file], {
    cwd: root,
    timeout: 100_000,
    env: { ...process.env, TSX_TSCONFIG_PATH: `${root}examples/tsconfig.json`, ...env },
  });
}
