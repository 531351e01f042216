import { expect, it } from 'vitest';
import { Config, ConfigDocument, differencesBetween } from '../../src/config/index.js';
import { ConfigKeys } from '../../src/config/keys.js';
import { checkNesting, deepestNesting } from '../../src/config/nesting.js';
import { frozen } from '../../src/config/reading/freeze.js';
import { MemoryServer } from '../../src/memory/index.js';
import { Client } from '../../src/session/index.js';
import { put, txnOf } from '../../src/store/index.js';
import { editorOf, flags, name, openConfig, why } from './scene.js';

const arrays = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
const objects = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
const ofLevels = (levels: number): unknown => {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = level % 2 === 0 ? [value] : { a: value };
  return value;
};
const codec = expect.objectContaining({ code: 'codec' });
const invalid = expect.objectContaining({ code: 'invalid-argument' });

it('counts arrays and objects within each other, and not what stands in texts', () => {
  const check = (text: string) => () => checkNesting('it', Buffer.from(text));
  check(arrays(deepestNesting))();
  check(objects(deepestNesting))();
  check(`[${'[],{},'.repeat(deepestNesting)}1]`)();
  check(JSON.stringify(`\\"${'['.repeat(2 * deepestNesting)}\\`))();
  expect(check(arrays(deepestNesting + 1))).toThrow(codec);
  expect(check(`{"\\"":"\\\\",${objects(deepestNesting).slice(1)}`)).not.toThrow();
  expect(check(`{"\\\\":${objects(deepestNesting)}}`)).toThrow(codec);
});

it.each([
  ['arrays', arrays(100_000), ''],
  ['objects', objects(100_000), ''],
  ['objects of an overlay', objects(100_000), 'eu'],
])(
  'CONFIG-3 %s nested 100,000 times are a problem that is told, of a document that is not given',
  async (_what, text, scope) => {
    const client = await Client.open({ store: new MemoryServer().connect(), closeStore: true });
    const config = await openConfig(client, { documents: [flags], scope: 'eu' });
    await editorOf(client).change(flags.set({ a: true }), why);
    await config.sync();
    const keys = new ConfigKeys(client.keys.prefix('config', name));
    await client.store.txn(txnOf({ success: [put(keys.layer('flags', scope), text), put(keys.stamp, '')] }));
    await expect(config.sync()).rejects.toMatchObject({ code: 'codec', details: { documents: ['flags'] } });
    expect(config.problem?.failures).toMatchObject([{ error: { code: 'codec', details: { limit: 1_000 } } }]);
    expect(config.get(flags)).toEqual({ a: true });
    // An operator sees its bytes, and can take it away.
    const editor = editorOf(client);
    const { layers } = await editor.read(flags);
    expect(layers.find((layer) => layer.scope === scope)?.content).toBeInstanceOf(Uint8Array);
    await editor.change([flags.set({ a: false }), flags.remove({ scope: 'eu' })], why);
    await config.sync();
    expect(config.get(flags)).toEqual({ a: false });
    const differences = await editor.diff(flags, 1, { to: 2 });
    expect(differences.length).toBeGreaterThan(0);
    const contents = new Map([['flags', Buffer.from(text)]]);
    const seed = { clusterId: 'c', revision: 1, contents };
    const seeded = await Config.open(client, name, { documents: [flags], seed });
    expect(seeded.seedProblem?.failures).toMatchObject([{ error: { code: 'codec' } }]);
    await seeded.close();
    await client.close();
  },
);

it('CONFIG-3 what a codec makes may be nested as deeply as it likes', async () => {
  const client = await Client.open({ store: new MemoryServer().connect(), closeStore: true });
  const deep = new ConfigDocument<unknown>('deep', {
    codec: { encode: () => Buffer.from('100000'), decode: (bytes) => ofLevels(Number(Buffer.from(bytes))) },
  });
  const config = await openConfig(client, { documents: [deep] });
  const editor = editorOf(client);
  await expect(editor.change(deep.set(1), why)).rejects.toEqual(invalid);
  const keys = new ConfigKeys(client.keys.prefix('config', name));
  await client.store.txn(txnOf({ success: [put(keys.layer('deep', ''), '100000'), put(keys.stamp, '')] }));
  await config.sync();
  let value = config.get(deep);
  for (let level = 0; level < 100_000; level += 1) {
    if (!Object.isFrozen(value)) throw new Error(`not frozen at level ${level}`);
    value = Object.values(value as object)[0];
  }
  expect(value).toBe(1);
  await client.close();
});

it('freezes what is shared, or refers to itself, once, and leaves other objects alone', () => {
  const shared = { a: [1] };
  const round: Record<string, unknown> = { one: shared, two: shared, date: new Date(0) };
  round['self'] = round;
  expect(frozen(round)).toBe(round);
  expect([round, shared, shared.a].every(Object.isFrozen)).toBe(true);
  expect(Object.isFrozen(round['date'])).toBe(false);
});

it('CONFIG-6 edits and contents that are nested too deeply, or have no JSON form, are refused, and nothing is written', async () => {
  const client = await Client.open({ store: new MemoryServer().connect(), closeStore: true });
  const any = new ConfigDocument<unknown>('flags');
  const editor = editorOf(client);
  const round: Record<string, unknown> = {};
  round['self'] = round;
  const refused = expect.objectContaining({ code: expect.stringMatching(/^(invalid-argument|codec)$/) });
  for (const content of [ofLevels(1_001), ofLevels(100_000), round, undefined, () => 1, 1n]) {
    await expect(editor.change(any.set(content), why)).rejects.toEqual(refused);
    await expect(editor.change(any.overlay('eu', content as never), why)).rejects.toEqual(refused);
  }
  expect((await editor.read(any)).number).toBe(0);
  await editor.change(any.set(ofLevels(1_000)), why);
  await client.close();
});

it('differences of what is nested too deeply, or has no JSON form, are refused; of 1,000 levels they are told', () => {
  const nested = (levels: number, end: unknown): unknown => {
    let value = end;
    for (let level = 0; level < levels; level += 1) value = { a: value };
    return value;
  };
  expect(differencesBetween(nested(1_000, 1), nested(1_000, 2))).toMatchObject([{ before: 1, after: 2 }]);
  for (const [one, other] of [
    [nested(1_001, 1), nested(1_001, 2)],
    [nested(100_000, 1), nested(100_000, 2)],
    [ofLevels(100_000), ofLevels(99_999)],
    [1n, 2n],
  ]) {
    expect(() => differencesBetween(one, other)).toThrow(invalid);
  }
});
