import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { startServer } from './both-servers.js';

const found = (process.env.PATH ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'etcdctl'))
  .find((file) => existsSync(file));
if (found === undefined) {
  process.stderr.write(
    '\n*** NO ETCDCTL FOUND: its tests against the embedded server are LEFT OUT (Debian: etcd-client). ***\n\n',
  );
}
const etcdctl = found ?? 'etcdctl';
const env = { ...process.env, ETCDCTL_API: '3' };

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(endpoint: string, words: readonly string[], input = ''): Promise<Result> {
  return new Promise((resolve) => {
    const child = execFile(
      etcdctl,
      [`--endpoints=${endpoint}`, ...words],
      { env, timeout: 10_000 },
      (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr });
      },
    );
    // A command that wants no input may have ended by now; then there is nobody to take it.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

/** Lines of a command that goes on, and a wait for more of them. */
class Running {
  readonly child: ChildProcess;
  readonly lines: string[] = [];

  constructor(endpoint: string, words: readonly string[]) {
    this.child = spawn(etcdctl, [`--endpoints=${endpoint}`, ...words], {
      env,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    let rest = '';
    this.child.stdout?.on('data', (chunk: Buffer) => {
      const parts = (rest + chunk).split('\n');
      rest = parts.pop() ?? '';
      this.lines.push(...parts);
    });
  }

  async until(count: number, timeoutMs = 10_000): Promise<string[]> {
    await expect
      .poll(() => this.lines.length, { timeout: timeoutMs, interval: 10 })
      .toBeGreaterThanOrEqual(count);
    return this.lines;
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill(signal);
    await once(this.child, 'exit');
  }
}

/** Leaves out what differs from server to server and from second to second. */
function normal(text: string): string {
  return text
    .replaceAll(/"(cluster_id|member_id|raft_term)":\d+/g, '"$1":N')
    .replaceAll(/"(ClusterID|MemberID)" : \d+/g, '"$1" : N')
    .replaceAll(/"ID":\d{10,}/g, '"ID":N')
    .replaceAll(/\b[0-9a-f]{15,16}\b/g, 'ID')
    .replaceAll(/remaining\(\d+s\)/g, 'remaining(Ns)')
    .replaceAll(/127\.0\.0\.1:\d+/g, 'ENDPOINT')
    .replaceAll(/took = \S+/g, 'took = T');
}

/** The last line is what a person reads; those before are the client's own log, with times and ids. */
function complaint(text: string): string {
  return normal(text.trim().split('\n').at(-1) ?? '');
}

const script: [words: string, input?: string][] = [
  ['get a'],
  ['put a 1'],
  ['put a 2 --prev-kv'],
  ['put b --', 'from stdin'],
  ['put --ignore-value a'],
  ['put --ignore-value missing'],
  ['get a -w json'],
  ['get a --rev=2'],
  ['get a --rev=900'],
  ['get a -w fields'],
  ['put c/1 x'],
  ['put c/2 w'],
  ['put c/3 v'],
  ['get c/ --prefix'],
  ['get c/ --prefix --keys-only'],
  ['get c/ --prefix --limit=2 --print-value-only'],
  ['get c/ --prefix --sort-by=value --order=ASCEND'],
  ['get c/ --prefix --sort-by=create --order=DESCEND --limit=1'],
  ['get c/ --prefix --count-only -w fields'],
  ['get c/2 --from-key'],
  ['get c/1 c/3'],
  ['get --hex c/1'],
  ['del c/1 --prev-kv'],
  ['del c/ --prefix'],
  ['del nothing'],
  ['txn', 'value("a") = "2"\ncreate("d") = "0"\n\nput d 1\nget a\n\nget b\n\n'],
  ['txn', 'mod("d") > "900"\n\nput d 2\n\nget d\ndel a\n\n'],
  ['txn', 'ver("d") = "1"\n\nput d 2\nput d 3\n\n\n'],
  ['compaction 5'],
  ['compaction 5'],
  ['compaction 999'],
  ['get a --rev=3'],
  ['lease grant 100'],
  ['lease timetolive 1234'],
  ['lease revoke 1234'],
  ['lease keep-alive --once 1234'],
  ['put e 1 --lease=1234'],
  ['endpoint health'],
  ['alarm list'],
  ['alarm disarm'],
  ['defrag'],
  ['lock held echo inside'],
];

describe.skipIf(found === undefined)('etcdctl', () => {
  const servers: { endpoint: string; stop(): Promise<void> }[] = [];
  const running: Running[] = [];
  let ours = '';
  beforeAll(async () => {
    servers.push(await startServer('embedded'));
    if (inject('etcdEndpoint') !== '') servers.push(await startServer('etcd'));
    ours = servers[0]?.endpoint ?? '';
  });
  afterAll(async () => {
    await Promise.all(running.map((command) => command.stop('SIGKILL')));
    await Promise.all(servers.map((server) => server.stop()));
  });
  const begin = (...words: string[]): Running => {
    const command = new Running(ours, words);
    running.push(command);
    return command;
  };
  const inBoth = <T>(work: (endpoint: string) => Promise<T>): Promise<T[]> =>
    Promise.all(servers.map((server) => work(server.endpoint)));

  it.skipIf(inject('etcdEndpoint') === '')('says the same of the embedded server and of etcd', async () => {
    for (const [words, input] of script) {
      const [one, two] = await inBoth((endpoint) => run(endpoint, words.split(' '), input));
      expect(normal(one?.stdout ?? ''), words).toBe(normal(two?.stdout ?? ''));
      expect(complaint(one?.stderr ?? ''), words).toBe(complaint(two?.stderr ?? ''));
      expect(one?.code, words).toBe(two?.code);
    }
  });

  it.skipIf(inject('etcdEndpoint') === '')('watches the same', async () => {
    const outputs = await inBoth(async (endpoint) => {
      // From a revision on, as nobody can tell when the command has opened its watch.
      const { header } = JSON.parse((await run(endpoint, ['get', 'w', '-w', 'json'])).stdout);
      const next = `--rev=${header.revision + 1}`;
      const commands = [
        ['watch', 'w', '--prev-kv', '-w', 'simple', next],
        ['watch', 'w/', '--prefix', next],
        ['watch', 'w', '--rev=1'],
      ].map((words) => new Running(endpoint, words));
      running.push(...commands);
      await run(endpoint, ['put', 'w', '1']);
      await run(endpoint, ['put', 'w', '2']);
      await run(endpoint, ['put', 'w/x', 'y']);
      await run(endpoint, ['del', 'w']);
      const [keyed, prefixed, compacted] = commands;
      await keyed?.until(13);
      await prefixed?.until(3);
      await compacted?.stop('SIGTERM');
      return commands.map((command) => command.lines);
    });
    expect(outputs[0]?.[0]?.length).toBeGreaterThan(0);
    expect(outputs[0]).toEqual(outputs[1]);
  });

  it('grants, uses, keeps alive and revokes a lease', async () => {
    const granted = await run(ours, ['lease', 'grant', '60']);
    const id = /lease (\S+) granted with TTL\(60s\)/.exec(granted.stdout)?.[1] ?? '';
    await run(ours, ['put', 'leased', 'v', `--lease=${id}`]);
    const state = await run(ours, ['lease', 'timetolive', id, '--keys']);
    expect(state.stdout).toMatch(/granted with TTL\(60s\), remaining\(\d+s\), attached keys\(\[leased\]\)/);
    expect((await run(ours, ['lease', 'list'])).stdout).toContain(id);
    expect((await run(ours, ['lease', 'keep-alive', '--once', id])).stdout).toContain(
      'keepalived with TTL(60)',
    );
    expect((await run(ours, ['lease', 'revoke', id])).stdout).toContain('revoked');
    expect((await run(ours, ['get', 'leased'])).stdout).toBe('');
  });

  it('shows status, members and hash of the only member', async () => {
    expect((await run(ours, ['endpoint', 'status'])).stdout).toMatch(
      /, 3\.4\.23\+quorate, 0 B, true, false, /,
    );
    expect((await run(ours, ['endpoint', 'health', '--cluster'])).stderr).toContain(`${ours} is healthy`);
    expect((await run(ours, ['member', 'list'])).stdout).toContain(`http://${ours}`);
    expect((await run(ours, ['endpoint', 'hashkv'])).stdout).toMatch(/, \d+\n$/);
  });

  it('lock: a second one waits for the first', async () => {
    const first = begin('lock', 'l');
    await first.until(1);
    const second = begin('lock', 'l');
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(second.lines).toEqual([]);
    await first.stop('SIGINT');
    await second.until(1);
    expect(second.lines[0]).not.toBe(first.lines[0]);
    await second.stop('SIGINT');
  });

  it('lock: a holder killed by -9 loses it when its lease ends, and not before', async () => {
    const first = begin('lock', '--ttl=2', 'k');
    await first.until(1);
    const killed = performance.now();
    await first.stop('SIGKILL');
    const second = begin('lock', '--ttl=2', 'k');
    await second.until(1, 20_000);
    const waited = performance.now() - killed;
    expect(waited).toBeGreaterThan(800);
    await second.stop('SIGINT');
  });

  it('elect: observers see the leader and the next', async () => {
    const first = begin('elect', 'e', 'one');
    await first.until(2);
    const second = begin('elect', 'e', 'two');
    const observer = begin('elect', '--listen', 'e');
    await observer.until(2);
    expect(observer.lines[1]).toBe('one');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(second.lines).toEqual([]);
    await first.stop('SIGINT');
    await second.until(2);
    await observer.until(4);
    expect(observer.lines[3]).toBe('two');
  });
});
