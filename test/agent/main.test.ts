import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { parseCommandLine } from '../../src/agent/command-line.js';
import { readAccess } from '../../src/agent/etcd-access.js';
import { ConfigDocument, ConfigEditor } from '../../src/config/index.js';
import { startEmbedded } from '../../src/embedded/index.js';
import { openEtcd3Store } from '../../src/etcd3/index.js';
import { Client } from '../../src/session/index.js';
import { makeCertificates } from '../etcd3/certificates.js';
import { OwnEtcd } from '../etcd3/own-etcd.js';

const main = join(import.meta.dirname, '../../src/agent/main.ts');

/** The program with these words, and what it has said. */
function startProgram(words: readonly string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', main, ...words], { stdio: 'pipe' });
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
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-agent-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

describe('the command of the agent', () => {
  it('keeps a file and runs what it is told to, without etcd at its start, until it is interrupted', async () => {
    const folder = await temporaryFolder();
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
    const start = (...after: string[]) => startProgram([...words, ...after]);
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
  });

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
    ...[
      ['--cert', 'c.pem'],
      ['--cacert', 'ca.pem', '--cert', 'c.pem'],
      ['--cacert', 'ca.pem', '--key', 'c.key'],
      ['--cert', 'c.pem', '--key', 'c.key'],
      ['--server-name', 'etcd.example'],
      ['--cacert', ''],
      ['--cacert'],
      ['--user', 'ada'],
      ['--password-file', 'p'],
      ['--user', 'ada:secret', '--password-file', 'p'],
      ['--user', '', '--password-file', 'p'],
      ['--password', 'secret'],
      ['b=/y'],
      ['reload', '--', 'reload'],
      ...['--endpoints', '--namespace', '--scope', '--instance', '--status'].map((name) => [
        ...[name, 'x:1', name, 'x:1'],
      ]),
      ['--config', 'other'],
      ['--state=other'],
      ['--endpoints', ''],
      ['--endpoints', 'h:1,'],
    ].map((words) => [['--config', 'c', '--state', 's', '--file', 'a=b', ...words]]),
  ])('%j is refused', (words) => {
    expect(() => parseCommandLine(words, {})).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  });

  it.each(['', ',', 'h:1,,h:2'])('endpoints %j of the environment are refused', (endpoints) => {
    const words = ['--config', 'c', '--state', 's', '--file', 'a=b'];
    const environment = { QUORATE_ENDPOINTS: endpoints };
    expect(() => parseCommandLine(words, environment)).toThrow(
      expect.objectContaining({
        ...{ code: 'invalid-argument', message: expect.stringContaining('QUORATE_ENDPOINTS') },
      }),
    );
    expect(parseCommandLine([...words, '--endpoints', 'h:1'], environment)).toMatchObject({
      hosts: ['h:1'],
    });
  });

  it('takes several files, labels, hosts, and a program with its words', () => {
    const parsed = parseCommandLine(
      [
        ...['--config', 'c', '--state', 's', '--file', 'a=/x', '--file', 'a,b=/y', '--label', 'zone=b=c'],
        ...['--scope', 'p', '--status', 'st', '--', 'reload', '--now', '--', '--scope', 'x'],
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
        command: { program: 'reload', args: ['--now', '--', '--scope', 'x'] },
      },
    });
    expect(parseCommandLine(['--help'], {})).toEqual({ kind: 'help' });
  });

  it('takes what TLS and a user of etcd need, as paths', () => {
    const least = ['--config', 'c', '--state', 's', '--file', 'a=b'];
    expect(parseCommandLine(least, {})).toMatchObject({ access: { cacert: undefined } });
    const words = [
      ...['--cacert', 'ca.pem', '--cert', 'c.pem', '--key', 'c.key', '--server-name', 'etcd.example'],
      ...['--user', 'ada', '--password-file', 'p'],
    ];
    expect(parseCommandLine([...least, ...words], {})).toMatchObject({
      access: {
        ...{ cacert: 'ca.pem', serverName: 'etcd.example', client: { cert: 'c.pem', key: 'c.key' } },
        login: { user: 'ada', passwordFile: 'p' },
      },
    });
  });

  it('reads certificates as they are, and of a password one line', async () => {
    const folder = await temporaryFolder();
    const at = (name: string) => join(folder, name);
    const login = (name: string) => ({
      ...{ cacert: undefined, serverName: undefined },
      login: { user: 'ada', passwordFile: at(name) },
    });
    for (const [name, content, password] of [
      ['unix', ' a b:c \n', ' a b:c '],
      ['windows', 'secret\r\n', 'secret'],
      ['bare', 'secret', 'secret'],
    ] as const) {
      await writeFile(at(name), content);
      expect(await readAccess(login(name))).toEqual({ auth: { username: 'ada', password } });
    }
    await writeFile(at('ca'), 'PEM\n');
    const pem = Buffer.from('PEM\n');
    const client = { cert: at('ca'), key: at('ca') };
    expect(await readAccess({ cacert: at('ca'), serverName: 'n', client })).toEqual({
      credentials: { rootCertificate: pem, certChain: pem, privateKey: pem, serverName: 'n' },
    });
    expect(await readAccess({ cacert: undefined, serverName: undefined })).toEqual({});
    await writeFile(at('none'), '');
    await writeFile(at('line'), '\n');
    await writeFile(at('two'), 'a\nb\n');
    for (const name of ['none', 'line', 'two', 'not-there', '.']) {
      await expect(readAccess(login(name))).rejects.toMatchObject({ code: 'invalid-argument' });
    }
    await expect(readAccess({ cacert: at('not-there'), serverName: undefined })).rejects.toMatchObject({
      ...{ code: 'invalid-argument', message: expect.stringContaining('--cacert') },
    });
  });

  it('ends with 2, and says why, where a file of a password cannot be read', async () => {
    const folder = await temporaryFolder();
    const { child, said } = startProgram([
      ...['--config', 'c', '--state', join(folder, 's'), '--file', `a=${join(folder, 'a')}`],
      ...['--user', 'ada', '--password-file', join(folder, 'not-there')],
    ]);
    expect(await once(child, 'close')).toEqual([2, null]);
    expect(said()).toContain('--password-file');
  });
});

describe.skipIf(inject('etcdEndpoint') === '')('the command of the agent and a real etcd', () => {
  it('keeps a file over TLS, with certificates of both sides', async () => {
    const folder = await temporaryFolder();
    const at = (name: string) => join(folder, name);
    await makeCertificates(folder);
    const etcd = await OwnEtcd.start({
      scheme: 'https',
      extraArguments: [
        ...['--cert-file', at('server.pem'), '--key-file', at('server.key')],
        ...['--trusted-ca-file', at('ca.pem'), '--client-cert-auth'],
      ],
    });
    onTestFinished(() => etcd.remove());
    const credentials = {
      rootCertificate: await readFile(at('ca.pem')),
      ...{ privateKey: await readFile(at('client.key')), certChain: await readFile(at('client.pem')) },
    };
    const store = await openEtcd3Store({ hosts: etcd.endpoint, credentials });
    await writeLimits(await Client.open({ store, closeStore: true, namespace: 'n' }));
    const words = wordsFor(etcd.endpoint, folder);
    const { child, said } = startProgram([
      ...[...words, '--cacert', at('ca.pem'), '--cert', at('client.pem'), '--key', at('client.key')],
    ]);
    await expect.poll(said, { timeout: 30_000 }).toContain('files-changed');
    expect(JSON.parse(await readFile(at('limits.json'), 'utf8'))).toEqual({ rate: 5 });
    child.kill('SIGTERM');
    expect(await once(child, 'close')).toEqual([0, null]);
  });

  it('keeps a file as a user, whose password is in a file, and ends where that is wrong', async () => {
    const folder = await temporaryFolder();
    const etcd = await OwnEtcd.start({ extraArguments: ['--bcrypt-cost', '4'] });
    onTestFinished(() => etcd.remove());
    await etcd.ctl('user', 'add', 'root:root secret');
    await etcd.ctl('user', 'grant-role', 'root', 'root');
    await etcd.ctl('auth', 'enable');
    const auth = { username: 'root', password: 'root secret' };
    const store = await openEtcd3Store({ hosts: etcd.endpoint, auth });
    await writeLimits(await Client.open({ store, closeStore: true, namespace: 'n' }));
    const passwordFile = join(folder, 'password');
    const words = [...wordsFor(etcd.endpoint, folder), '--user', 'root', '--password-file', passwordFile];
    await writeFile(passwordFile, 'root secret\n');
    const first = startProgram(words);
    await expect.poll(first.said, { timeout: 30_000 }).toContain('files-changed');
    expect(JSON.parse(await readFile(join(folder, 'limits.json'), 'utf8'))).toEqual({ rate: 5 });
    expect(first.said()).not.toContain('secret');
    first.child.kill('SIGTERM');
    expect(await once(first.child, 'close')).toEqual([0, null]);
    await writeFile(passwordFile, 'another\n');
    const second = startProgram(words);
    expect(await once(second.child, 'close')).toEqual([1, null]);
    expect(second.said()).toContain('failed');
  });
});

async function writeLimits(client: Client): Promise<void> {
  const limits = new ConfigDocument<{ rate: number }>('limits');
  const editor = new ConfigEditor(client, 'shop', { documents: [limits], author: 'ada' });
  await editor.change(limits.set({ rate: 5 }), { reason: 'r' });
  await client.close();
}

function wordsFor(endpoint: string, folder: string): readonly string[] {
  return [
    ...['--config', 'shop', '--namespace', 'n', '--endpoints', endpoint, '--instance', 'i'],
    ...['--file', `limits=${join(folder, 'limits.json')}`, '--state', join(folder, 'state')],
  ];
}
