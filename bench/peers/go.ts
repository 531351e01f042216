/**
 * The same work through etcd's own Go client, built from the packages that Debian ships (`golang-go` and
 * `golang-etcd-server-dev`). Optional: where they are not installed, the benchmarks say so.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const gopath = '/usr/share/gocode';
const folder = fileURLToPath(new URL('./go', import.meta.url));
const results = fileURLToPath(new URL('../results/bin', import.meta.url));

export const whyNoGo = 'etcd Go client (Debian: apt-get install golang-go golang-etcd-server-dev)';

/** The binary of one of the programs in `bench/peers/go`, or undefined where Go or the client's sources are missing. */
export function goPeer(program: 'barrier' | 'mutex' | 'queue' | 'stm' | 'txn'): string | undefined {
  if (!existsSync(join(gopath, 'src/go.etcd.io/etcd/clientv3'))) return undefined;
  try {
    execFileSync('go', ['version'], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  mkdirSync(results, { recursive: true });
  const binary = join(results, program);
  execFileSync('go', ['build', '-o', binary, `./${program}`], {
    cwd: folder,
    env: { ...process.env, GO111MODULE: 'off', GOPATH: gopath },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return binary;
}

/** A running Go program: its lines of output, one at a time. */
export class GoProcess {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(binary: string, args: readonly string[]) {
    this.#child = spawn(binary, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    if (this.#child.stdout === null) throw new Error('the Go program has no output');
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('the Go program ended early');
    return value;
  }

  begin(): void {
    this.#child.stdin?.write('\n');
  }
}
