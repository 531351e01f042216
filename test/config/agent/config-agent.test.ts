import type { StandardSchemaV1 } from '@standard-schema/spec';
import { expect, it, onTestFinished } from 'vitest';
import { MemoryFiles } from '../../../property-tests/support/memory-files.js';
import {
  ConfigAgent,
  type ConfigAgentEvent,
  type ConfigAgentOptions,
  ConfigDocument,
  ConfigEditor,
  type ConfigSnapshot,
} from '../../../src/config/index.js';
import { QuorateError } from '../../../src/errors.js';
import { MemoryServer } from '../../../src/memory/index.js';
import type { ProgramResult } from '../../../src/runtime/index.js';
import { Client } from '../../../src/session/index.js';
import { testClients } from '../../support/clients.js';
import { fastRuntime } from '../../support/fast-runtime.js';
import { describeStores } from '../../support/stores.js';
import { documents, editorOf, flags, limits, motd, name, why } from '../scene.js';

const done: ProgramResult = {
  exitCode: 0,
  endedBy: undefined,
  hasTimedOut: false,
  output: '',
  error: undefined,
};
const away = () => {
  throw new QuorateError('unreachable', 'no etcd answers');
};
const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
const command = { program: 'reload' };

function startAgent(
  options: Partial<ConfigAgentOptions> & Pick<ConfigAgentOptions, 'connect' | 'fileSystem'>,
) {
  const events: ConfigAgentEvent[] = [];
  const agent = ConfigAgent.start(name, {
    ...{ documents, instance: { id: 'i' }, proveEveryMs: 100, offlineAfterMs: 2_000 },
    ...{ lastKnownGoodPath: '/state/shop', files: [{ path: '/out/limits.json', content: limits }] },
    onEvent: (event) => events.push(event),
    ...options,
  });
  onTestFinished(() => agent.close());
  const of = <T extends ConfigAgentEvent['type']>(type: T) =>
    events.filter((event): event is Extract<ConfigAgentEvent, { type: T }> => event.type === type);
  return { agent, events, of };
}

describeStores('ConfigAgent', (server) => {
  it('CONFIG-11 tells of a file that somebody else has changed, and puts its own in the place of that', async () => {
    const clients = testClients(server);
    const { namespace } = clients;
    const editor = editorOf(await clients.open());
    await editor.change([limits.set({ perSecond: 5 }), flags.set({ a: true })], why);
    const disk = new MemoryFiles();
    const parts = { connect: () => clients.open(), namespace };
    const files = [
      { path: '/out/limits.json', content: limits },
      { path: '/out/flags.json', content: flags },
    ];
    const one = startAgent({ ...parts, fileSystem: disk.process(), files });
    await one.agent.ready();
    const changeTo = async (perSecond: number, agent: ConfigAgent) => {
      const { revision } = await editor.change(limits.set({ perSecond }), why);
      await expect.poll(() => agent.status.revision).toBe(revision);
    };
    await changeTo(6, one.agent);
    expect([one.of('changed-by-others'), one.agent.status.changedByOthers]).toEqual([[], 0]);
    // Another agent, which makes another file of the same document.
    const content = () => 'limits\n';
    const two = startAgent({
      ...{ ...parts, fileSystem: disk.process(), lastKnownGoodPath: '/state/other' },
      files: [{ path: '/out/limits.json', content }],
    });
    await two.agent.ready();
    expect(disk.text('/out/limits.json')).toBe('limits\n');
    await two.agent.close();
    await changeTo(7, one.agent);
    expect(disk.text('/out/limits.json')).toBe(json({ perSecond: 7 }));
    expect(one.of('changed-by-others')).toEqual([{ type: 'changed-by-others', paths: ['/out/limits.json'] }]);
    expect(one.agent.status.changedByOthers).toBe(1);
    // One that was taken away too; but not one that is as it is to be.
    await disk.process().remove('/out/limits.json');
    await changeTo(8, one.agent);
    await disk.process().remove('/out/flags.json');
    await editor.change(flags.remove(), why);
    await changeTo(9, one.agent);
    expect(one.agent.status.changedByOthers).toBe(2);
  });

  it('CONFIG-11 keeps files as documents are: one each, one for several, and in other formats', async () => {
    const clients = testClients(server);
    const { namespace } = clients;
    const editor = editorOf(await clients.open());
    await editor.change([limits.set({ perSecond: 5 }), motd.set('é')], why);
    const disk = new MemoryFiles();
    const { agent, of } = startAgent({
      ...{ connect: () => clients.open(), namespace, fileSystem: disk.process() },
      files: [
        { path: '/out/limits.json', content: limits, mode: 0o640, owner: { uid: 5, gid: 6 } },
        { path: '/out/flags.json', content: flags },
        { path: '/out/all.json', content: [limits, flags, motd] },
        { path: '/out/limits.conf', content: (now) => `rate ${now.get(limits)?.perSecond};\n` },
      ],
    });
    await agent.ready();
    expect(disk.paths.filter((path) => path.startsWith('/out'))).toEqual([
      ...['/out/all.json', '/out/limits.conf', '/out/limits.json'],
    ]);
    expect(disk.text('/out/limits.json')).toBe(json({ perSecond: 5 }));
    expect(disk.access('/out/limits.json')).toEqual({ mode: 0o640, owner: { uid: 5, gid: 6 } });
    expect(disk.text('/out/all.json')).toBe(json({ limits: { perSecond: 5 }, motd: 'é' }));
    expect(disk.text('/out/limits.conf')).toBe('rate 5;\n');
    const { revision } = await editor.change([flags.set({ a: true }), motd.remove()], why);
    await expect.poll(() => agent.status.revision).toBe(revision);
    expect(disk.text('/out/flags.json')).toBe(json({ a: true }));
    expect(disk.text('/out/all.json')).toBe(json({ limits: { perSecond: 5 }, flags: { a: true } }));
    // Only what differs was written.
    expect(of('files-changed').at(-1)).toEqual({
      ...{ type: 'files-changed', revision, paths: ['/out/flags.json', '/out/all.json'] },
    });
    await editor.change(flags.remove(), why);
    await expect.poll(() => disk.text('/out/flags.json')).toBeUndefined();
    expect(agent.status).toMatchObject({ state: 'current', problem: undefined, command: undefined });
    expect(agent.status.stalenessMs).toBeLessThan(10_000);
    await agent.close();
    expect(agent.status.state).toBe('closed');
    expect(disk.text('/out/limits.json')).toBe(json({ perSecond: 5 }));
  });

  it('CONFIG-11 starts from the last known good while the store is away, keeps files, and tells how it stands', async () => {
    const clients = testClients(server);
    const { namespace } = clients;
    const editor = editorOf(await clients.open());
    await editor.change(limits.set({ perSecond: 5 }), why);
    const disk = new MemoryFiles({ wallMs: () => Date.now() });
    const first = startAgent({ connect: () => clients.open(), namespace, fileSystem: disk.process() });
    const revision = await first.agent.ready();
    await first.agent.close();
    disk.put('/out/limits.json', 'half of');
    await editor.change(limits.set({ perSecond: 6 }), why);
    let isAway = true;
    let failure = new QuorateError('unreachable', 'no etcd answers');
    const connect = () => {
      if (isAway) throw failure;
      return clients.open();
    };
    const { agent, of } = startAgent({
      ...{ connect, namespace, fileSystem: disk.process() },
      ...{ offlineAfterMs: 200, statusPath: '/out/status', statusEveryMs: 50 },
    });
    expect(await agent.ready()).toBe(revision);
    expect(disk.text('/out/limits.json')).toBe(json({ perSecond: 5 }));
    expect(agent.status).toMatchObject({ state: 'offline', stalenessMs: Number.POSITIVE_INFINITY });
    const status = () => JSON.parse(disk.text('/out/status') ?? '{}') as Record<string, unknown>;
    await expect.poll(status).toMatchObject({ state: 'offline', revision, freshAt: null, problem: null });
    // Of what may pass it starts anew, and files stay.
    failure = new QuorateError('internal', 'unforeseen');
    await expect.poll(() => of('start-failed').length, { timeout: 10_000 }).toBeGreaterThan(0);
    expect(disk.text('/out/limits.json')).toBe(json({ perSecond: 5 }));
    isAway = false;
    await expect.poll(() => disk.text('/out/limits.json'), { timeout: 10_000 }).toBe(json({ perSecond: 6 }));
    expect(of('failed')).toEqual([]);
    await expect.poll(status).toMatchObject({ state: 'current', freshAt: expect.stringMatching(/Z$/) });
  });

  it('without the store and a last known good it leaves files as they are, and waits', async () => {
    const clients = testClients(server);
    const { namespace } = clients;
    await editorOf(await clients.open()).change(limits.set({ perSecond: 5 }), why);
    const disk = new MemoryFiles();
    disk.put('/out/limits.json', 'of before');
    let isAway = true;
    const { agent, of } = startAgent({
      ...{ connect: () => (isAway ? away() : clients.open()), namespace, fileSystem: disk.process() },
      offlineAfterMs: 100,
    });
    await expect.poll(() => of('start-failed').length).toBeGreaterThan(0);
    expect([disk.text('/out/limits.json'), agent.status.state]).toEqual(['of before', 'starting']);
    await expect(agent.ready({ timeoutMs: 10 })).rejects.toMatchObject({ code: 'timeout' });
    isAway = false;
    await agent.ready();
    expect(disk.text('/out/limits.json')).toBe(json({ perSecond: 5 }));
  });

  it('CONFIG-3 goes on where a document does not pass its schema at its start, or connect fails, and tells why it waits', async () => {
    const clients = testClients(server);
    const { namespace } = clients;
    const client = await clients.open();
    const loose = new ConfigDocument<unknown>(limits.name);
    const others = new ConfigEditor(client, name, { documents: [loose], author: 'bob' });
    await others.change(loose.set({ many: 5 }), why);
    const disk = new MemoryFiles();
    disk.put('/out/limits.json', 'of before');
    const failures = [new Error('the vault is sealed'), new QuorateError('internal', 'unforeseen')];
    const connect = () => {
      const failure = failures.shift();
      if (failure !== undefined) throw failure;
      return clients.open();
    };
    const { agent, of } = startAgent({ connect, namespace, fileSystem: disk.process() });
    const codes = () => of('start-failed').map(({ error }) => error.code);
    await expect.poll(() => codes().slice(0, 3)).toEqual(['internal', 'codec', 'codec']);
    expect(of('connecting-failed').map(({ error }) => (error as Error).message)).toEqual([
      ...['the vault is sealed', 'unforeseen'],
    ]);
    expect(agent.status).toMatchObject({ state: 'starting', problem: { code: 'codec' } });
    expect(disk.text('/out/limits.json')).toBe('of before');
    const { revision } = await others.change(loose.set({ perSecond: 6 }), why);
    expect(await agent.ready({ timeoutMs: 10_000 })).toBeGreaterThanOrEqual(revision);
    expect(disk.text('/out/limits.json')).toBe(json({ perSecond: 6 }));
    expect(agent.status).toMatchObject({ state: 'current', problem: undefined });
    expect(of('failed')).toEqual([]);
  });

  it('CONFIG-11 changes no file before the last known good, and none unless all can be rendered', async () => {
    const clients = testClients(server);
    const { namespace } = clients;
    const editor = editorOf(await clients.open());
    await editor.change(limits.set({ perSecond: 5 }), why);
    const disk = new MemoryFiles();
    const fileSystem = disk.process();
    let isBroken = false;
    const render = (now: ConfigSnapshot) => {
      if (isBroken) throw new Error('cannot be rendered');
      return String(now.get(limits)?.perSecond);
    };
    const files = [
      { path: '/out/limits.json', content: limits },
      { path: '/out/limits', content: render },
    ];
    const { agent, of } = startAgent({ connect: () => clients.open(), namespace, fileSystem, files });
    await agent.ready();
    isBroken = true;
    await editor.change(limits.set({ perSecond: 6 }), why);
    await expect.poll(() => of('changing-failed').length).toBeGreaterThan(0);
    expect(agent.status).toMatchObject({ state: 'behind', problem: { code: 'internal' } });
    expect([disk.text('/out/limits.json'), disk.text('/out/limits')]).toEqual([json({ perSecond: 5 }), '5']);
    isBroken = false;
    await expect.poll(() => disk.text('/out/limits')).toBe('6');
    for (let failures = 0; failures < 2; failures += 1) fileSystem.failNext('create');
    await editor.change(limits.set({ perSecond: 7 }), why);
    await expect.poll(() => of('keeping-failed').length).toBe(2);
    await expect.poll(() => disk.text('/out/limits')).toBe('7');
    const order = disk.paths.filter((path) => path.startsWith('/state'));
    expect(order).toHaveLength(1);
  });

  it('CONFIG-12 a change that was not followed by a run is, by the next start', async () => {
    const clients = testClients(server);
    const { namespace } = clients;
    const editor = editorOf(await clients.open());
    await editor.change(limits.set({ perSecond: 5 }), why);
    const disk = new MemoryFiles();
    const connect = () => clients.open();
    let runs = 0;
    const runProgram = async () => {
      runs += 1;
      return done;
    };
    const first = startAgent({ connect, namespace, fileSystem: disk.process(), command, runProgram });
    await expect.poll(() => runs).toBe(1);
    await expect.poll(() => disk.paths.includes('/state/shop.owed')).toBe(false);
    expect(first.agent.status.command).toMatchObject({ isOwed: false, failures: 0, lastExitCode: 0 });
    await first.agent.close();
    // Nothing has changed, so nothing is run.
    const second = startAgent({ connect, namespace, fileSystem: disk.process(), command, runProgram });
    await second.agent.ready();
    await second.agent.close();
    expect(runs).toBe(1);
    await editor.change(limits.set({ perSecond: 6 }), why);
    const failing = async () => ({ ...done, exitCode: 1 });
    const third = startAgent({
      connect,
      namespace,
      fileSystem: disk.process(),
      command,
      runProgram: failing,
    });
    await expect.poll(() => third.of('command-ended').length).toBeGreaterThanOrEqual(1);
    await third.agent.close();
    expect(disk.paths).toContain('/state/shop.owed');
    startAgent({ connect, namespace, fileSystem: disk.process(), command, runProgram });
    await expect.poll(() => runs).toBe(2);
    await expect.poll(() => disk.paths.includes('/state/shop.owed')).toBe(false);
  });

  it('CONFIG-12 a change that was done, and failed all the same, is followed by a run too', async () => {
    const clients = testClients(server);
    const { namespace } = clients;
    await editorOf(await clients.open()).change(limits.set({ perSecond: 5 }), why);
    const disk = new MemoryFiles();
    const plain = disk.process();
    let failures = 0;
    const fileSystem = {
      ...plain,
      rename: async (from: string, to: string) => {
        await plain.rename(from, to);
        if (!to.startsWith('/out') || failures > 0) return;
        failures += 1;
        throw new Error('EIO');
      },
    };
    let runs = 0;
    const runProgram = async () => {
      runs += 1;
      return done;
    };
    const { agent } = startAgent({
      connect: () => clients.open(),
      namespace,
      fileSystem,
      command,
      runProgram,
    });
    await agent.ready();
    await expect.poll(() => runs).toBe(1);
    expect([failures, disk.text('/out/limits.json')]).toEqual([1, json({ perSecond: 5 })]);
  });

  it('refuses what makes no sense, and ends with what stays', async () => {
    const clients = testClients(server);
    const { namespace } = clients;
    const fileSystem = new MemoryFiles().process();
    const start = (options: object) => () => startAgent({ connect: away, fileSystem, ...options });
    const file = { path: '/a', content: limits };
    for (const options of [
      ...[
        { files: [] },
        { files: [file, file] },
        { files: [{ ...file, mode: 0o7777 }] },
        { files: [{ path: '/a' }] },
      ],
      ...[{ files: [{ ...file, path: 'a/' }] }, { files: [{ ...file, owner: { uid: -1, gid: 0 } }] }],
      ...[{ command: { program: '' } }, { command: { program: 'a', args: 'b' } }, { command: 'reload' }],
      ...[{ command: { program: 'a', args: ['\0'] } }, { command: { program: 'a', timeoutMs: 0 } }],
      ...[{ statusEveryMs: 0 }, { statusPath: '' }, { lastKnownGoodPath: '' }, { instance: undefined }],
      ...[{ files: [file, { ...file, path: '/b/../a' }] }, { statusPath: '/./a', files: [file] }],
      { files: [{ ...file, path: 'x' }], statusPath: './x' },
      { files: [{ ...file, path: '/state/./shop.owed' }], command },
      ...[{ connect: 5 }, { offlineAfterMs: -1 }, { documents: [] }],
    ]) {
      expect(start(options), JSON.stringify(options)).toThrow(
        expect.objectContaining({ code: 'invalid-argument' }),
      );
    }
    const connect = () => Promise.reject(new QuorateError('unauthenticated', 'no'));
    const { agent } = startAgent({ connect, namespace, fileSystem });
    await expect(agent.ready()).rejects.toMatchObject({ code: 'unauthenticated' });
    expect(agent.status).toMatchObject({ state: 'failed', problem: { code: 'unauthenticated' } });
  });
});

it('CONFIG-3 an agent whose schema does not answer at its start, with a last known good, goes on once it does', async () => {
  const server = new MemoryServer();
  const open = () => Client.open({ store: server.connect(), closeStore: true });
  const client = await open();
  onTestFinished(() => client.close());
  let isHeld = false;
  const validate = (value: unknown) =>
    isHeld ? new Promise<never>(() => {}) : { value: value as { perSecond: number } };
  const schema: StandardSchemaV1<unknown, { perSecond: number }> = {
    '~standard': { version: 1, vendor: 'test', validate },
  };
  const slow = new ConfigDocument<{ perSecond: number }>('limits', { schema });
  const editor = new ConfigEditor(client, name, { documents: [slow], author: 'ada' });
  const { revision } = await editor.change(slow.set({ perSecond: 5 }), why);
  const disk = new MemoryFiles();
  const start = () =>
    startAgent({
      ...{ connect: open, documents: [slow], fileSystem: disk.process(), runtime: fastRuntime(20) },
      files: [{ path: '/out/limits.json', content: slow }],
    });
  const first = start();
  await first.agent.ready();
  await first.agent.close();
  isHeld = true;
  const { agent, of } = start();
  await expect.poll(() => of('start-failed').length, { timeout: 10_000 }).toBeGreaterThan(1);
  expect(agent.status.problem?.code).toMatch(/timeout|unreachable/);
  expect([agent.status.state, of('failed')]).toEqual(['starting', []]);
  isHeld = false;
  expect(await agent.ready({ timeoutMs: 200_000 })).toBeGreaterThanOrEqual(revision);
});
