import type { StandardSchemaV1 } from '@standard-schema/spec';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AtomicValue } from '../../src/atomics/index.js';
import { MemoryServer } from '../../src/memory/index.js';
import { Client } from '../../src/session/index.js';
import { countingStore } from '../support/counting-store.js';

async function openCounted() {
  const { store, counts } = countingStore(new MemoryServer().connect());
  const client = await Client.open({ store, namespace: 'n' });
  onTestFinished(() => client.close());
  counts.reset();
  return { client, counts };
}

const invalid = { code: 'invalid-argument', outcome: 'not-applied' };

describe('AtomicValue, what it is given', () => {
  it('refuses what makes no sense before anything is sent', async () => {
    const { client, counts } = await openCounted();
    const made = (name: unknown, options?: unknown) => () =>
      new AtomicValue(client, name as string, options as object);
    for (const make of [
      ...[made(''), made(7), made(null), made('v', null), made('v', 'json')],
      ...[made('v', { codec: null }), made('v', { codec: {} }), made('v', { schema: 7 })],
    ]) {
      expect(make).toThrow(expect.objectContaining(invalid));
    }
    const value = new AtomicValue<number>(client, 'v');
    const bad = [null, 7, Number.NaN, 'x', {}] as unknown as undefined[];
    for (const expected of bad.slice(0)) {
      await expect(value.compareAndSet(expected, 1)).rejects.toMatchObject(invalid);
      await expect(value.compareAndDelete(expected)).rejects.toMatchObject(invalid);
    }
    for (const revision of [-1, 0.5, Number.NaN, null, '1']) {
      const expected = { revision } as { revision: number };
      await expect(value.compareAndSet(expected, 1)).rejects.toMatchObject(invalid);
    }
    for (const guard of [null, 7, {}, { guard: 1 }, { key: 'k' }]) {
      const options = { guard: guard as never };
      for (const write of [
        () => value.set(1, options),
        () => value.delete(options),
        () => value.update(() => 1, options),
        () => value.compareAndSet(undefined, 1, options),
        () => value.compareAndDelete(undefined, options),
      ]) {
        await expect(write()).rejects.toMatchObject(invalid);
      }
    }
    for (const options of [null, 7, { timeoutMs: 0 }, { timeoutMs: Number.NaN }, { signal: {} }] as never[]) {
      await expect(value.get(options)).rejects.toMatchObject(invalid);
      await expect(value.set(1, options)).rejects.toMatchObject(invalid);
      await expect(value.update(() => 1, options)).rejects.toMatchObject(invalid);
      await expect(value.delete(options)).rejects.toMatchObject(invalid);
      expect(() => value.history(options)).toThrow(expect.objectContaining(invalid));
    }
    for (const limit of [0, -1, 1.5, null, 'all'] as never[]) {
      expect(() => value.history({ limit })).toThrow(expect.objectContaining(invalid));
    }
    for (const after of [-1, 1.5, null, 'now'] as never[]) {
      expect(() => value.changes({ after })).toThrow(expect.objectContaining(invalid));
    }
    expect(() => value.changes(null as never)).toThrow(expect.objectContaining(invalid));
    expect(() => value.watch(null as never)).toThrow(expect.objectContaining(invalid));
    await expect(value.update('up' as never)).rejects.toMatchObject(invalid);
    await expect(value.set(undefined as never)).rejects.toMatchObject({ code: 'codec' });
    await expect(value.set(1, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' });
    expect(counts.total()).toBe(0);
  });

  it('a schema refuses what is written before it is sent, and what is read', async () => {
    const { client, counts } = await openCounted();
    const schema: StandardSchemaV1<unknown, number> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: async (given) =>
          typeof given === 'number' ? { value: given } : { issues: [{ message: 'is no number' }] },
      },
    };
    const value = new AtomicValue<number>(client, 'v', { schema });
    const refusal = { ...invalid, details: { issues: [{ path: '', message: 'is no number' }] } };
    await expect(value.set('x' as never)).rejects.toMatchObject(refusal);
    await expect(value.compareAndSet(undefined, 'x' as never)).rejects.toMatchObject(refusal);
    expect(counts.total()).toBe(0);
    await value.set(7);
    expect(await value.update((n = 0) => n + 1)).toMatchObject({ value: 8 });
    await expect(value.update(() => 'x' as never)).rejects.toMatchObject(refusal);
    await new AtomicValue<string>(client, 'v').set('x');
    await expect(value.get()).rejects.toMatchObject({
      code: 'codec',
      message: expect.stringContaining('"v"'),
    });
    const { value: view } = await value.watch().next();
    expect(view).toMatchObject({ status: 'unreadable', error: { code: 'codec' } });
  });

  it('takes nothing that is no bytes from a codec, and sends nothing then', async () => {
    const { client, counts } = await openCounted();
    for (const made of [undefined, null, 'text', Promise.resolve(new Uint8Array())]) {
      const codec = { encode: () => made as never, decode: () => 1 };
      const value = new AtomicValue<number>(client, 'v', { codec });
      await expect(value.set(1)).rejects.toMatchObject({ code: 'codec' });
      await expect(value.compareAndSet(undefined, 1)).rejects.toMatchObject({ code: 'codec' });
    }
    expect(counts.total()).toBe(0);
  });
});
