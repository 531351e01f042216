import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseCommandLine } from '../../src/agent/command-line.js';
import { ConfigDocument, ConfigEditor } from '../../src/config/index.js';
import { startEmbedded } from '../../src/embedded/index.js';
import { openEtcd3Store } from '../../src/etcd3/index.js';
import { Client } from '../../src/session/index.js';

const main = join(import.meta.dirname, '../../src/agent/main.ts');

describe('the command of the agent', () => {
  it('keeps a file and runs what it is told to, without etcd at its start, until it is interrupted', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'quorate-agent-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const server = await startEmbedded({ port: 0 });
    const store = await openEtcd3Store({ hosts: server.endpoint });
    const client = await Client.open({ store, closeStore: true, namespace: 'n' });
    const limits = new ConfigDocument<{ rate: number }>('limits');
    const editor = new ConfigEditor(client, 'shop', { documents: [limits], author: 'ada' });
    await editor.change(limits.set({ rate: 5 }), { reason: 'r' });
    const words = [
      ...['--config', 'shop', '--namespace', 'n', '--endpoints', server.endpoint, '--instance', 'i'],
      ...[
        '--file',
        `limits=${join(folder, 'limits.json')}`,
        '--state',
        join(folder, 'state'),
        '--mode',
        '640',
      ],
    ];
    const start = (...after: string[]) => {
      const child = spawn(process.execPath, ['--import', 'tsx', main, ...words, ...after], { stdio: 'pipe' });
      onTestFinished(() => {
        child.kill('SIGKILL');
      });
      let said = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (chunk: Buffer) => {
          said += chunk;
        });
      }
      return { child, said: () => said };
    };
    const reload = ['--', process.execPath, '-e', 'console.log("of " + process.argv[1])', '$HOME'];
    const first = start(...reload);
    await expect.poll(first.said, { timeout: 30_000 }).toContain('command-ended 0: of $HOME');
    const file = join(folder, 'limits.json');
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({ rate: 5 });
    expect((await stat(file)).mode & 0o777).toBe(0o640);
    first.child.kill('SIGTERM');
    expect(await once(first.child, 'close')).toEqual([0, null]);
    await client.close();
    await server.close();
    await rm(file);
    const second = start();
    await expect.poll(second.said, { timeout: 30_000 }).toContain('started-offline');
    await expect.poll(() => readFile(file, 'utf8').catch(() => '')).toContain('5');
    second.child.kill('SIGINT');
    expect(await once(second.child, 'close')).toEqual([0, null]);
  }, 90_000);

  it.each([
    [['--unknown']],
    [[]],
    [['--config', 'c', '--state', 's']],
    [['--config', 'c', '--file', 'a=b']],
    [['--state', 's', '--file', 'a=b']],
    [['--config', 'c', '--state', 's', '--file', 'ab']],
    [['--config', 'c', '--state', 's', '--file', '=b']],
    [['--config', 'c', '--state', 's', '--file', 'a=b', '--mode', '8']],
    [['--config', 'c', '--state', 's', '--file', 'a=b', '--label', 'x']],
  ])('%j is refused', (words) => {
    expect(() => parseCommandLine(words, {})).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  });

  it('takes several files, labels, hosts, and a program with its words', () => {
    const parsed = parseCommandLine(
      [
        ...['--config', 'c', '--state', 's', '--file', 'a=/x', '--file', 'a,b=/y', '--label', 'zone=b=c'],
        ...['--scope', 'p', '--status', 'st', '--', 'reload', '--now'],
      ],
      { QUORATE_ENDPOINTS: 'h:1,h:2' },
    );
    expect(parsed).toMatchObject({
      ...{ kind: 'run', config: 'c', hosts: ['h:1', 'h:2'] },
      options: {
        ...{ lastKnownGoodPath: 's', scope: 'p', statusPath: 'st', instance: { labels: { zone: 'b=c' } } },
        files: [
          { path: '/x', content: { name: 'a' } },
          { path: '/y', content: [{ name: 'a' }, { name: 'b' }] },
        ],
        documents: [{ name: 'a' }, { name: 'b' }],
        command: { program: 'reload', args: ['--now'] },
      },
    });
    expect(parseCommandLine(['--help'], {})).toEqual({ kind: 'help' });
  });
});
