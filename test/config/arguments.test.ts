import { expect, it, onTestFinished } from 'vitest';
import { MemoryFiles } from '../../property-tests/support/memory-files.js';
import {
  Config,
  ConfigAgent,
  ConfigDocument,
  LastKnownGoodConfig,
  ReplicatedMap,
} from '../../src/config/index.js';
import { isQuorateError } from '../../src/errors.js';
import { MemoryServer } from '../../src/memory/index.js';
import { Client } from '../../src/session/index.js';

/** Of every type. What a call takes of them is named with it. */
const given = {
  null: null,
  undefined: undefined,
  true: true,
  number: 5,
  negative: -1,
  nan: Number.NaN,
  bigint: 5n,
  symbol: Symbol('s'),
  empty: '',
  text: 'x',
  array: [],
  object: {},
  bare: Object.create(null) as object,
  function: () => undefined,
  date: new Date(0),
};
type Kind = keyof typeof given;
const anyFunction: readonly Kind[] = ['function'];
const anyObject: readonly Kind[] = ['array', 'object', 'bare', 'date'];
const options: readonly Kind[] = ['undefined', ...anyObject];
const milliseconds: readonly Kind[] = ['undefined', 'number'];
const optionalText: readonly Kind[] = ['undefined', 'text'];

type Fields = Readonly<Record<string, readonly Kind[]>>;

/** One thing that is given, what of the above it may be, and the word by which an error names it. */
interface Row {
  readonly name: string;
  readonly accepted: readonly Kind[];
  readonly call: (value: never) => unknown;
  readonly says?: RegExp;
}

const document = new ConfigDocument<number>('d');
const seed = { clusterId: 'c', revision: 1, contents: new Map<string, Uint8Array>() };
const files = new MemoryFiles();

function rowsOf(of: string, fields: Fields, call: (given: object) => unknown) {
  return Object.entries(fields).map(
    ([field, accepted]): Row => ({
      name: `${of} ${field}`,
      accepted,
      call: (value) => call({ [field]: value }),
      says: new RegExp(field),
    }),
  );
}

async function rows(): Promise<readonly Row[]> {
  const server = new MemoryServer();
  const connect = () => Client.open({ store: server.connect(), closeStore: true });
  const client = await connect();
  const config = await Config.open(client, 'c', { documents: [document] });
  const map = await ReplicatedMap.open<string, number>(client, 'm');
  onTestFinished(async () => {
    await map.close();
    await config.close();
    await client.close();
  });
  const opening = (more: object) =>
    Config.open(client, 'c', { documents: [document], ...more }).then((opened) => opened.close());
  const kept = {
    ...{ connect, documents: [document], instance: { id: 'i' } },
    ...{ lastKnownGoodPath: '/state/c', fileSystem: files.process() },
  };
  const keeping = (more: object, name = 'c') =>
    LastKnownGoodConfig.open(name, { ...kept, ...more }).then((opened) => opened.close());
  const file = { path: '/out/d', content: document };
  const starting = (more: object, name = 'c') =>
    ConfigAgent.start(name, { ...kept, files: [file], ...more }).close();
  const mapping = (more: object) => ReplicatedMap.open(client, 'm', more).then((opened) => opened.close());
  const agent = ConfigAgent.start('c', { ...kept, files: [file] });
  onTestFinished(() => agent.close());
  const opened: Fields = {
    ...{ documents: [], scope: ['undefined', 'empty', 'text'], instance: ['undefined'] },
    ...{ proveEveryMs: milliseconds, signal: ['undefined'], timeoutMs: milliseconds },
  };
  const keptFields: Fields = {
    ...{ ...opened, instance: [], connect: [], namespace: ['undefined'], lastKnownGoodPath: ['text'] },
    ...{ mode: milliseconds, clusterId: ['undefined'], offlineAfterMs: milliseconds },
    ...{ closeClient: ['undefined', 'true'], runtime: ['undefined'], fileSystem: ['undefined'] },
    onEvent: ['undefined', 'function'],
  };
  const { signal: _signal, timeoutMs: _timeoutMs, ...agentFields } = keptFields;
  return [
    { name: 'Config.open client', accepted: [], call: (v) => Config.open(v, 'c', { documents: [document] }) },
    {
      ...{ name: 'Config.open name', accepted: ['text'] },
      call: (v) => Config.open(client, v, { documents: [document] }).then((it) => it.close()),
    },
    { name: 'Config.open options', accepted: [], call: (v) => Config.open(client, 'c', v) },
    ...rowsOf('Config.open', { ...opened, seed: ['undefined'] }, opening),
    ...rowsOf(
      'Config.open seed',
      { clusterId: ['empty', 'text'], revision: ['number'], contents: [] },
      (more) => opening({ seed: { ...seed, ...more } }),
    ),
    {
      ...{ name: 'Config.open seed.contents of a document', accepted: [] },
      call: (v) => opening({ seed: { ...seed, contents: new Map([['d', v]]) } }),
    },
    ...rowsOf(
      'Config.open instance',
      { id: ['text'], addresses: ['undefined', 'array'], labels: ['undefined', 'object', 'bare', 'date'] },
      (more) => opening({ instance: { id: 'i', ...more } }),
    ),
    { name: 'config.get', accepted: [], call: (v) => config.get(v) },
    { name: 'config.view', accepted: [], call: (v) => config.view(v) },
    { name: 'config.watch', accepted: [], call: (v) => config.watch(v) },
    { name: 'config.watch options', accepted: options, call: (v) => config.watch(document, v) },
    ...rowsOf('config.watch', { signal: ['undefined'] }, (more) => config.watch(document, more)),
    { name: 'config.snapshot.get', accepted: [], call: (v) => config.snapshot.get(v) },
    { name: 'config.snapshot.view', accepted: [], call: (v) => config.snapshot.view(v) },
    { name: 'config.sync', accepted: options, call: (v) => config.sync(v) },
    ...rowsOf('config.sync', { signal: ['undefined'], timeoutMs: milliseconds }, (more) => config.sync(more)),
    { name: 'config.onUpdate listener', accepted: anyFunction, call: (v) => config.onUpdate(v)() },
    { name: 'config.onProblem listener', accepted: anyFunction, call: (v) => config.onProblem(v)() },
    { name: 'ConfigDocument name', accepted: ['text'], call: (v) => new ConfigDocument(v) },
    { name: 'ConfigDocument options', accepted: options, call: (v) => new ConfigDocument('d', v) },
    ...rowsOf(
      'ConfigDocument',
      { schema: ['undefined'], codec: ['undefined'] },
      (more) => new ConfigDocument('d', more),
    ),
    { name: 'document.set options', accepted: options, call: (v) => document.set(1, v) },
    { name: 'document.overlay scope', accepted: ['text'], call: (v) => document.overlay(v, 1) },
    { name: 'document.overlay options', accepted: options, call: (v) => document.overlay('s', 1, v) },
    { name: 'document.remove options', accepted: options, call: (v) => document.remove(v) },
    ...rowsOf('document.set', { expected: ['undefined', 'number'] }, (more) => document.set(1, more)),
    ...rowsOf('document.remove', { scope: ['undefined', 'empty', 'text'] }, (more) => document.remove(more)),
    { name: 'LastKnownGoodConfig.open name', accepted: optionalText, call: (v) => keeping({}, v) },
    { name: 'LastKnownGoodConfig.open options', accepted: [], call: (v) => LastKnownGoodConfig.open('c', v) },
    ...rowsOf('LastKnownGoodConfig.open', keptFields, keeping),
    {
      ...{ name: 'LastKnownGoodConfig.open, what connect gives', accepted: [] },
      call: (v) => keeping({ connect: () => v }),
    },
    { name: 'ConfigAgent.start name', accepted: optionalText, call: (v) => starting({}, v) },
    { name: 'ConfigAgent.start options', accepted: [], call: (v) => ConfigAgent.start('c', v) },
    ...rowsOf(
      'ConfigAgent.start',
      {
        ...{
          ...agentFields,
          connect: anyFunction,
          namespace: optionalText,
          clusterId: optionalText,
          files: [],
          command: ['undefined'],
          statusPath: optionalText,
        },
        ...{ statusEveryMs: milliseconds, runProgram: ['undefined', 'function'] },
      },
      starting,
    ),
    { name: 'ConfigAgent.start a file', accepted: [], call: (v) => starting({ files: [v] }) },
    ...rowsOf(
      'ConfigAgent.start a file',
      {
        ...{ path: ['text'], content: ['array', 'function'] },
        ...{ mode: milliseconds, owner: ['undefined'] },
      },
      (more) => starting({ files: [{ ...file, ...more }] }),
    ),
    ...rowsOf(
      'ConfigAgent.start command',
      {
        ...{ program: ['text'], args: ['undefined', 'array'], env: options },
        ...{ cwd: ['undefined', 'empty', 'text'], timeoutMs: milliseconds },
      },
      (more) => starting({ command: { program: 'p', ...more } }),
    ),
    { name: 'agent.onEvent listener', accepted: anyFunction, call: (v) => agent.onEvent(v)() },
    { name: 'agent.ready options', accepted: options, call: (v) => agent.ready(v) },
    { name: 'ReplicatedMap.open client', accepted: [], call: (v) => ReplicatedMap.open(v, 'm') },
    {
      ...{ name: 'ReplicatedMap.open name', accepted: ['text'] },
      call: (v) => ReplicatedMap.open(client, v).then((it) => it.close()),
    },
    {
      ...{ name: 'ReplicatedMap.open options', accepted: options },
      call: (v) => ReplicatedMap.open(client, 'm', v).then((it) => it.close()),
    },
    ...rowsOf(
      'ReplicatedMap.open',
      {
        ...{ codec: ['undefined'], schema: ['undefined'], maxEntries: milliseconds, maxBytes: milliseconds },
        ...{ stampedBy: ['undefined'], proveEveryMs: milliseconds },
        ...{ signal: ['undefined'], timeoutMs: milliseconds },
      },
      mapping,
    ),
    { name: 'map.getFresh key', accepted: ['empty', 'text'], call: (v) => map.getFresh(v) },
    { name: 'map.getFresh options', accepted: options, call: (v) => map.getFresh('a', v) },
    { name: 'map.sync options', accepted: options, call: (v) => map.sync(v) },
    { name: 'map.set key', accepted: ['empty', 'text'], call: (v) => map.set(v, 1) },
    { name: 'map.set options', accepted: options, call: (v) => map.set('a', 1, v) },
    ...rowsOf('map.set', { guard: ['undefined'] }, (more) => map.set('a', 1, more)),
    { name: 'map.delete key', accepted: ['empty', 'text'], call: (v) => map.delete(v) },
    { name: 'map.delete options', accepted: options, call: (v) => map.delete('a', v) },
    {
      ...{ name: 'map.compareAndSet expected', accepted: ['undefined'] },
      call: (v) => map.compareAndSet('a', v, 1),
    },
    {
      ...{ name: 'map.compareAndDelete expected', accepted: ['undefined'] },
      call: (v) => map.compareAndDelete('a', v),
    },
    {
      ...{ name: 'map.compareAndSet options', accepted: options },
      call: (v) => map.compareAndSet('a', { revision: 0 }, 1, v),
    },
    { name: 'map.update change', accepted: anyFunction, call: (v) => map.update(v) },
    { name: 'map.update options', accepted: options, call: (v) => map.update(() => {}, v) },
    {
      ...{ name: 'a key in an update', accepted: ['empty', 'text'] },
      call: (v) => map.update((draft) => draft.get(v)),
    },
    { name: 'map.changes options', accepted: options, call: (v) => map.changes(v) },
    ...rowsOf('map.changes', { maxBuffered: ['undefined', 'number'] }, (more) => map.changes(more)),
    { name: 'map.onChange listener', accepted: anyFunction, call: (v) => map.onChange(v)() },
    { name: 'map.onState listener', accepted: anyFunction, call: (v) => map.onState(v)() },
  ];
}

it('what is given to a configuration, an agent and a replicated map is refused with what is wrong and what is accepted', async () => {
  const complaints: string[] = [];
  for (const { name, accepted, call, says } of await rows()) {
    for (const [kind, value] of Object.entries(given) as [Kind, unknown][]) {
      let error: unknown;
      try {
        await call(value as never);
      } catch (thrown) {
        error = thrown;
      }
      const isRefused = isQuorateError(error, 'invalid-argument');
      const message = error instanceof Error ? error.message : '';
      if (accepted.includes(kind)) {
        // So many milliseconds may be too few for what was asked: they were taken all the same.
        const isTaken = error === undefined || isQuorateError(error, 'timeout');
        if (!isTaken) complaints.push(`${name}: ${kind} is refused: ${String(error)}`);
      } else if (error === undefined) complaints.push(`${name}: ${kind} is taken`);
      else if (!isRefused || !/; accepted: ./.test(message))
        complaints.push(`${name}: ${kind}: ${String(error)}`);
      else if (says !== undefined && !says.test(message))
        complaints.push(`${name}: ${kind} is not named: ${message}`);
    }
  }
  expect(complaints).toEqual([]);
}, 60_000);
