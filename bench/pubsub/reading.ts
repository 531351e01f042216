/**
 * Reads of what a process keeps in memory: a document of a configuration, and entries of a replicated map by keys in no order; each
 * beside a `Map` of the same values, read the same way. Meanwhile another client changes what is read, fifty times a second, so that nothing
 * read is a constant, and every read is used.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'quorate';
import { Config, ConfigDocument, ConfigEditor, ReplicatedMap } from 'quorate/config';
import { openEtcd3Store } from 'quorate/etcd3';
import { type BenchOptions, compared, interleave } from '../harness.js';
import type { Part } from './part.js';

const goalPerSecond = 5_000_000;
const entries = 10_000;
/** Reads between two looks at the clock, and after so many loops what is due in this process gets its turn. */
const readsAtOnce = 100_000;
const betweenChangesMs = 20;

interface Limits {
  readonly perSecond: number;
}

export async function readingPart({ endpoint, quick }: BenchOptions): Promise<Part> {
  const durationMs = quick ? 200 : 1_000;
  const rounds = quick ? 2 : 9;
  const open = async () =>
    Client.open({ store: await openEtcd3Store({ hosts: endpoint }), closeStore: true, namespace: 'bench' });
  const [client, other] = [await open(), await open()];
  const limits = new ConfigDocument<Limits>('limits');
  const flags = new ConfigDocument<{ readonly isOpen: boolean }>('flags');
  const documents = [limits, flags];
  const editor = new ConfigEditor(other, 'read', { documents, author: 'bench' });
  await editor.change([limits.set({ perSecond: 1 }), flags.set({ isOpen: true })], { reason: 'to be read' });
  const config = await Config.open(client, 'read', { documents });
  const keys = Array.from({ length: entries }, (_, index) => `code-${(index * 7_919) % entries}`);
  const written = await ReplicatedMap.open<string, number>(other, 'read');
  for (let from = 0; from < entries; from += 50) {
    await written.update((draft) => {
      for (const key of keys.slice(from, from + 50)) draft.set(key, 1);
    });
  }
  const map = await ReplicatedMap.open<string, number>(client, 'read');
  await map.sync();
  const plain = new Map<string, Limits>([['limits', { perSecond: 1 }]]);
  const plainEntries = new Map<string, number>(keys.map((key) => [key, 1]));

  const changing = new AbortController();
  let changes = 0;
  const changer = (async () => {
    while (!changing.signal.aborted) {
      changes += 1;
      await editor.change(limits.set({ perSecond: changes }), { reason: 'another' });
      await written.set(keys[changes % entries] ?? '', changes);
      plain.set('limits', { perSecond: changes });
      plainEntries.set(keys[changes % entries] ?? '', changes);
      await delay(betweenChangesMs);
    }
  })();
  let used = 0;
  const reads = (read: (at: number) => number) => async () => {
    const beganMs = performance.now();
    let done = 0;
    let tookMs = 0;
    while (tookMs < durationMs) {
      for (let at = 0; at < readsAtOnce; at += 1) used += read(at % entries);
      done += readsAtOnce;
      // What arrives meanwhile is taken in: it belongs to the price.
      await new Promise((resolve) => setImmediate(resolve));
      tookMs = performance.now() - beganMs;
    }
    return (done / tookMs) * 1_000;
  };
  const figures = await interleave(
    {
      config: reads(() => config.get(limits)?.perSecond ?? 0),
      plain: reads(() => plain.get('limits')?.perSecond ?? 0),
      map: reads((at) => map.get(keys[at] ?? '') ?? 0),
      plainEntries: reads((at) => plainEntries.get(keys[at] ?? '') ?? 0),
    },
    rounds,
  );
  changing.abort();
  await changer;
  await map.sync();
  const seen = config.get(limits)?.perSecond;
  for (const one of [config, map, written]) await one.close();
  await Promise.all([client.close(), other.close()]);
  return {
    settings: {
      reading: `one process; a configuration of 2 documents, a map of ${entries} entries; another client changes both each ${betweenChangesMs} ms`,
      'reading, rounds': `${rounds} of ${durationMs} ms, interleaved; medians`,
    },
    rows: [
      compared('reads of a document', '/s', figures.config, 'goal', [goalPerSecond], { atLeast: 1 }),
      compared('reads of a document', '/s', figures.config, 'a Map of two objects', figures.plain),
      compared('reads of a replicated map', '/s', figures.map, 'a Map', figures.plainEntries),
    ],
    rounds: figures,
    leftOut: [],
    remarks: [
      `the document was changed ${changes} times meanwhile, and read as ${seen} at last; the sum of all reads is ${used}`,
    ],
  };
}
