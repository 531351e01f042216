import type { StandardSchemaV1 } from '@standard-schema/spec';
import { expect, it, onTestFinished } from 'vitest';
import {
  Config,
  ConfigDocument,
  ConfigEditor,
  type ConfigProblem,
  ReplicatedMap,
} from '../../src/config/index.js';
import { MemoryServer } from '../../src/memory/index.js';
import { Client } from '../../src/session/index.js';
import { prefixRange } from '../../src/store/index.js';
import { ManualRuntime, settle } from '../support/manual-runtime.js';
import { why } from './scene.js';

/** A schema whose answers are given by hand, in the order of what it was asked; `isHeld`: from now on. */
function heldSchema<T>(): {
  schema: StandardSchemaV1<unknown, T>;
  hold: (isHeld: boolean) => void;
  answers: (() => void)[];
} {
  let isHeld = true;
  const answers: (() => void)[] = [];
  const validate = (value: unknown) => {
    const result = { value: value as T };
    if (!isHeld) return result;
    return new Promise<typeof result>((resolve) => {
      answers.push(() => resolve(result));
    });
  };
  return {
    schema: { '~standard': { version: 1, vendor: 'test', validate } },
    hold: (is) => {
      isHeld = is;
    },
    answers,
  };
}

async function scene() {
  const server = new MemoryServer();
  const client = await Client.open({ store: server.connect(), closeStore: true });
  onTestFinished(() => client.close());
  const { schema, hold, answers } = heldSchema<number>();
  const held = new ConfigDocument<number>('held', { schema });
  const free = new ConfigDocument<number>('free');
  const editor = new ConfigEditor(client, 'shop', { documents: [held, free], author: 'ada' });
  /** Of a program whose schemas do answer. */
  const plain = new ConfigDocument<number>('held');
  const others = new ConfigEditor(client, 'shop', { documents: [plain, free], author: 'bob' });
  return { server, client, hold, answers, held, free, editor, plain, others };
}

it.each([
  ['asked about the edits', true],
  ['asked about what readers would be given', false],
])(
  'CONFIG-6 no schema that never answers, when %s, outlasts the time and the signal of a call',
  async (_when, isHeld) => {
    const { hold, held, editor, others, plain } = await scene();
    await others.change(plain.set(1), why);
    // Removing asks the schema about nothing, an overlay only of the whole: so it is asked when the change is planned.
    const edits = isHeld ? held.set(2) : held.overlay('eu', 2);
    hold(true);
    const calls = [
      (options: object) => editor.change(edits, { ...why, ...options }),
      (options: object) => editor.rollouts.start(edits, { percent: 10 }, { ...why, ...options }),
      (options: object) => editor.reviews.propose(edits, { ...why, ...options }),
      ...(isHeld ? [] : [(options: object) => editor.rollback(held, 1, { ...why, ...options })]),
    ];
    if (!isHeld) await others.change(plain.overlay('us', 1), why);
    for (const call of calls) {
      await expect(call({ timeoutMs: 30 })).rejects.toMatchObject({
        code: 'timeout',
        outcome: 'not-applied',
      });
      const stop = new AbortController();
      const reason = new Error('enough');
      const called = call({ signal: stop.signal });
      setImmediate(() => stop.abort(reason));
      await expect(called).rejects.toMatchObject({ code: 'aborted', outcome: 'not-applied', cause: reason });
    }
    const found = await others.read(plain);
    expect([found.number, found.rollout]).toEqual([isHeld ? 1 : 2, undefined]);
    expect(await others.reviews.list()).toEqual([]);
  },
);

it('no seed whose schema never answers outlasts the time and the signal of an opening', async () => {
  const { client, held } = await scene();
  const seed = { clusterId: 'c', revision: 5, contents: new Map([['held', Buffer.from('1')]]) };
  const open = (options: object) => Config.open(client, 'shop', { documents: [held], seed, ...options });
  await expect(open({ timeoutMs: 30 })).rejects.toMatchObject({ code: 'timeout' });
  const stop = new AbortController();
  const opening = open({ signal: stop.signal });
  setImmediate(() => stop.abort());
  await expect(opening).rejects.toMatchObject({ code: 'aborted' });
});

it('CONFIG-3 a seed whose schema does not answer in its time is left aside for good, and the store read', async () => {
  const { client, held, free, others, plain, hold, answers } = await scene();
  await others.change([plain.set(1), free.set(1)], why);
  const { clusterId } = await client.store.status();
  const seed = { clusterId, revision: 1, contents: new Map([['held', Buffer.from('7')]]) };
  const runtime = new ManualRuntime();
  const source = { keys: client.keys, store: client.store, runtime, label: 'r' };
  const opening = Config.open(source, 'shop', { documents: [held, free], seed, timeoutMs: 20_000 });
  await runtime.advance(4_900);
  hold(false);
  await runtime.advance(200);
  const config = await opening;
  onTestFinished(() => config.close());
  expect([config.get(held), config.get(free), config.snapshot.isOffline]).toEqual([1, 1, false]);
  const failures = [{ document: 'held', error: { code: 'timeout' } }];
  expect(config.seedProblem).toMatchObject({ revision: 1, failures });
  for (const answer of answers) answer();
  await settle();
  expect(config.get(held)).toBe(1);
});

it('no write to a replicated map outlasts its time and its signal for a schema that never answers', async () => {
  const { client } = await scene();
  const { schema } = heldSchema<number>();
  const map = await ReplicatedMap.open<string, number>(client, 'm', { schema });
  onTestFinished(() => map.close());
  const calls = [
    (options: object) => map.set('a', 1, options),
    (options: object) => map.compareAndSet('a', undefined, 1, options),
    (options: object) => map.compareAndDelete('a', { value: 1 }, options),
    (options: object) => map.update((draft) => draft.set('a', 1), options),
  ];
  for (const call of calls) {
    await expect(call({ timeoutMs: 30 })).rejects.toMatchObject({ code: 'timeout', outcome: 'not-applied' });
    const stop = new AbortController();
    const called = call({ signal: stop.signal });
    setImmediate(() => stop.abort());
    await expect(called).rejects.toMatchObject({ code: 'aborted', outcome: 'not-applied' });
  }
  const { count } = await client.store.range(prefixRange(client.keys.prefix('map', 'm')));
  expect(count).toBe(0);
});

/** A reader on a clock of its own, and what it is told. */
async function reading(hold: (isHeld: boolean) => void, parts: Awaited<ReturnType<typeof scene>>) {
  const { client, held, free } = parts;
  const runtime = new ManualRuntime();
  const documents = [held, free];
  hold(false);
  const source = { keys: client.keys, store: client.store, runtime, label: 'r' };
  const config = await Config.open(source, 'shop', { documents, proveEveryMs: 1_000 });
  onTestFinished(() => config.close());
  hold(true);
  const problems: ConfigProblem[] = [];
  config.onProblem((problem) => problems.push(problem));
  const shown = () => [config.get(held), config.get(free)];
  /** What was committed is taken in. */
  const pass = async (ms: number) => {
    await runtime.advance(ms);
    await settle();
  };
  return { runtime, config, problems, shown, pass };
}

it('CONFIG-3 CONFIG-9 a schema that never answers is told, shows in the staleness, and holds up no later revision', async () => {
  const parts = await scene();
  const { others, plain, free, hold, answers } = parts;
  await others.change([plain.set(1), free.set(1)], why);
  const { config, problems, shown, pass } = await reading(hold, parts);
  await pass(2_000);
  expect(config.stalenessMs).toBeLessThan(2_000);
  const second = await others.change([plain.set(2), free.set(2)], why);
  await pass(4_900);
  expect([shown(), problems]).toEqual([[1, 1], []]);
  await pass(200);
  const overdue = { document: 'held', error: { code: 'timeout' } };
  expect(problems).toMatchObject([{ revision: second.revision, failures: [overdue] }]);
  expect(config.problem).toBe(problems[0]);
  expect(config.stalenessMs).toBeGreaterThan(4_000);
  const syncing = config.sync();
  const expected = expect(syncing).rejects.toMatchObject({
    ...{ code: 'timeout', details: { documents: ['held'], revision: second.revision } },
  });
  await pass(100);
  await expected;
  // A later revision, about which it does answer.
  hold(false);
  await others.change(plain.set(3), why);
  await pass(100);
  expect([shown(), config.problem]).toEqual([[3, 2], undefined]);
  // What comes too late takes nothing back.
  for (const answer of answers) answer();
  await pass(3_000);
  expect(shown()).toEqual([3, 2]);
  expect(config.stalenessMs).toBeLessThan(2_000);
  expect(problems).toHaveLength(1);
});

it('CONFIG-3 an answer that comes late, and is of the newest revision, is given', async () => {
  const parts = await scene();
  const { others, plain, free, hold, answers } = parts;
  const { config, problems, shown, pass } = await reading(hold, parts);
  await others.change([plain.set(2), free.set(2)], why);
  await pass(100);
  // While it is asked, one more comes, which is taken in after it has been told.
  await others.change(free.set(3), why);
  await pass(5_000);
  expect([shown(), problems.length, answers.length]).toEqual([[undefined, undefined], 1, 2]);
  answers[0]?.();
  await pass(100);
  expect(shown()).toEqual([undefined, undefined]);
  await pass(6_000);
  expect(problems).toHaveLength(2);
  answers[1]?.();
  await pass(3_000);
  expect([shown(), config.problem]).toEqual([[2, 3], undefined]);
  expect(config.stalenessMs).toBeLessThan(2_000);
  await others.change(free.set(4), why);
  await pass(100);
  // It was asked once for what it was asked about, and not again.
  expect([shown(), answers.length]).toEqual([[2, 4], 2]);
});

it('a reader that is closed while a schema is asked leaves no timer', async () => {
  const parts = await scene();
  const { others, plain, hold, answers } = parts;
  const { config, problems, runtime, pass } = await reading(hold, parts);
  await others.change(plain.set(2), why);
  await pass(100);
  expect(answers).toHaveLength(1);
  await config.close();
  await settle();
  expect(runtime.timerCount).toBe(0);
  for (const answer of answers) answer();
  await pass(10_000);
  expect([config.get(parts.held), problems]).toEqual([undefined, []]);
});

/** A map whose schema is held from when a test says so, on a clock of its own, and another whose schema never is. */
async function heldMap() {
  const { client, server } = await scene();
  const runtime = new ManualRuntime();
  const { schema, hold } = heldSchema<number>();
  const plain = await ReplicatedMap.open<string, number>(client, 'm');
  onTestFinished(() => plain.close());
  hold(false);
  const source = await Client.open({ store: server.connect(), closeStore: true, runtime });
  onTestFinished(() => source.close());
  const map = await ReplicatedMap.open<string, number>(source, 'm', { schema });
  onTestFinished(() => map.close());
  return { runtime, schema, hold, plain, source, map };
}

it('REPLICA-6 an entry whose schema never answers is unreadable after a while, and holds up no other', async () => {
  const { runtime, hold, plain, map } = await heldMap();
  await plain.set('a', 1);
  await runtime.advance(10);
  hold(true);
  await plain.set('a', 2);
  await runtime.advance(4_000);
  hold(false);
  await plain.set('b', 3);
  await runtime.advance(900);
  expect([map.get('a'), map.get('b')]).toEqual([1, undefined]);
  await runtime.advance(200);
  expect([map.get('a'), map.get('b')]).toEqual([1, 3]);
  expect(map.unreadable.get('a')).toMatchObject({ error: { code: 'timeout' } });
});

it('REPLICA-6 entries of one revision whose schema never answers hold up a map for its limit once', async () => {
  const { runtime, schema, hold, plain, source, map } = await heldMap();
  hold(true);
  const { revision } = await plain.update((draft) => {
    for (const name of ['a', 'b', 'c']) draft.set(name, 1);
  });
  await runtime.advance(4_000);
  expect(map.revision).toBeLessThan(revision);
  await runtime.advance(1_100);
  expect([map.revision, map.unreadable.size]).toEqual([revision, 3]);
  // And those of one page.
  const opening = ReplicatedMap.open<string, number>(source, 'm', { schema });
  await settle();
  await runtime.advance(5_100);
  const other = await opening;
  expect(other.unreadable.size).toBe(3);
  await other.close();
});

it('a map that is closed while a schema is asked leaves no timer', async () => {
  const { client, server } = await scene();
  const runtime = new ManualRuntime();
  const { schema } = heldSchema<number>();
  const plain = await ReplicatedMap.open<string, number>(client, 'm');
  onTestFinished(() => plain.close());
  await plain.set('a', 1);
  const source = await Client.open({ store: server.connect(), closeStore: true, runtime });
  const opening = ReplicatedMap.open<string, number>(source, 'm', { schema, timeoutMs: 500 });
  const expected = expect(opening).rejects.toMatchObject({ code: 'timeout' });
  await settle();
  await runtime.advance(600);
  await expected;
  await source.close();
  await settle();
  expect(runtime.timerCount).toBe(0);
});
