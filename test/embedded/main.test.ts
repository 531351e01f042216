import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { parseCommandLine } from '../../src/embedded/command-line.js';
import { bytes, connectRaw } from './raw-client.js';

const main = join(import.meta.dirname, '../../src/embedded/main.ts');
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
  readonly endpoint: () => Promise<string>;
}

function start(...words: string[]): Started {
  const child = spawn(process.execPath, ['--import', 'tsx', main, ...words], { stdio: 'pipe' });
  children.push(child);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  return {
    child,
    ended: once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr })),
    async endpoint() {
      await expect.poll(() => stdout, { timeout: 20_000 }).toMatch(/\n$/);
      return /(\S+)\n$/.exec(stdout)?.[1] ?? '';
    },
  };
}

describe('the command', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    'runs until %s, keeps its snapshot and ends with 0',
    async (signal) => {
      const folder = await mkdtemp(join(tmpdir(), 'quorate-main-'));
      const snapshot = join(folder, 'snapshot');
      try {
        const first = start('--port', '0', '--snapshot', snapshot);
        const client = connectRaw(await first.endpoint());
        await client.call('KV', 'Put', { key: bytes('k'), value: bytes(signal) });
        const watch = client.stream('Watch', 'Watch');
        watch.send({ create_request: { key: bytes('k') } });
        await watch.next();
        first.child.kill(signal);
        expect(await first.ended).toMatchObject({ code: 0, stderr: '' });
        client.close();
        const second = start('--port', '0', '--snapshot', snapshot);
        const again = connectRaw(await second.endpoint());
        const { kvs } = await again.call('KV', 'Range', { key: bytes('k') });
        expect(kvs).toMatchObject([{ value: bytes(signal) }]);
        again.close();
      } finally {
        await rm(folder, { recursive: true });
      }
    },
  );

  it('shows its usage', async () => {
    const { code, stdout } = await start('--help').ended;
    expect(code).toBe(0);
    expect(stdout).toContain('--snapshot');
  });

  it('ends with 2 on what it does not know, and 1 on a port in use', async () => {
    const server = start('--port', '0');
    const port = (await server.endpoint()).split(':')[1] ?? '';
    const unknown = start('--prot', port).ended;
    const taken = start('--port', port).ended;
    expect(await unknown).toMatchObject({ code: 2, stderr: expect.stringContaining('--prot') });
    expect(await taken).toMatchObject({ code: 1, stderr: expect.stringContaining(`port ${port}`) });
  });
});

describe('the command line', () => {
  it.each([
    [['--port', 'x']],
    [['--port', '-1']],
    [['--port', '70000']],
    [['--port']],
    [['--unknown']],
    [['extra']],
  ])('%j is refused', (words) => {
    expect(() => parseCommandLine(words)).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  });

  it('has a default for everything', () => {
    expect(parseCommandLine([])).toEqual({ kind: 'run', port: 2379 });
    expect(parseCommandLine(['--port=0', '--host', '::1', '--snapshot', 'f'])).toEqual({
      kind: 'run',
      port: 0,
      host: '::1',
      snapshotFile: 'f',
    });
  });
});
