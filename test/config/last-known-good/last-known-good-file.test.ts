import { describe, expect, it } from 'vitest';
import { MemoryFiles, type ProcessFiles } from '../../../property-tests/support/memory-files.js';
import type { ConfigPicture } from '../../../src/config/index.js';
import {
  LastKnownGoodFile,
  type LastKnownGoodFileOptions,
} from '../../../src/config/last-known-good/last-known-good-file.js';
import { bytesOf, hexRevision, textOf } from '../../../src/store/index.js';
import { seededRandom } from '../../support/faulty-store.js';
import { ManualRuntime } from '../../support/manual-runtime.js';

const path = '/state/shop';

function fileOf(files: ProcessFiles, options: Partial<LastKnownGoodFileOptions> = {}): LastKnownGoodFile {
  return new LastKnownGoodFile({
    ...{ path, files, keys: 'ns/config/shop/', scope: 'production', instance: { id: 'i' } },
    ...{ documents: ['limits', 'flags'], runtime: new ManualRuntime() },
    ...options,
  });
}

function pictureOf(revision: number, clusterId = 'c1'): ConfigPicture {
  return { clusterId, revision, contents: new Map([['limits', bytesOf(`{"r":${revision}}`)]]) };
}

const nameOf = (revision: number, clusterId = 'c1') => `${path}.${clusterId}.${hexRevision(revision)}`;
const refused = (reason: string) => expect.objectContaining({ details: { file: path, reason } });

describe('the file of the last known good', () => {
  it('CONFIG-10 is read as it was kept, by another process, and only its owner may read it', async () => {
    const disk = new MemoryFiles();
    const raw = Buffer.from([0, 255, 128]);
    const contents = new Map([
      ['limits', bytesOf('{"é":1}')],
      ['flags', raw],
    ]);
    const kept = await fileOf(disk.process()).keep({ clusterId: 'c1', revision: 7, contents });
    expect(kept).toEqual({ clusterId: 'c1', revision: 7, replaced: [] });
    expect(disk.paths).toEqual([nameOf(7)]);
    expect(disk.access(nameOf(7))?.mode).toBe(0o600);
    disk.crash();
    const read = await fileOf(disk.process()).read();
    expect(read).toMatchObject({ clusterId: 'c1', revision: 7 });
    expect([...read.contents].map(([name, bytes]) => [name, Buffer.from(bytes)])).toEqual(
      [...contents].map(([name, bytes]) => [name, Buffer.from(bytes)]),
    );
  });

  it('CONFIG-10 is replaced by a newer one, and never by an older one of its cluster', async () => {
    const disk = new MemoryFiles();
    const [one, other] = [fileOf(disk.process()), fileOf(disk.process())];
    await one.keep(pictureOf(9));
    expect(await other.keep(pictureOf(7))).toMatchObject({ revision: 9 });
    expect(disk.paths).toEqual([nameOf(9)]);
    expect(await other.keep(pictureOf(12))).toMatchObject({ revision: 12 });
    expect(disk.paths).toEqual([nameOf(12)]);
    expect((await one.read()).revision).toBe(12);
  });

  it('CONFIG-10 is never taken back by a process that was paused anywhere while another kept a newer one', async () => {
    for (let steps = 0; steps <= 6; steps += 1) {
      const disk = new MemoryFiles();
      await fileOf(disk.process()).keep(pictureOf(3));
      let resume = () => {};
      const paused = new Promise<void>((resolve) => {
        resume = resolve;
      });
      let calls = 0;
      const slow = new Proxy(disk.process(), {
        get(files, name, self) {
          const value = Reflect.get(files, name, self) as unknown;
          if (typeof value !== 'function') return value;
          return async (...given: unknown[]) => {
            calls += 1;
            if (calls > steps + 1) await paused;
            return Reflect.apply(value, files, given);
          };
        },
      });
      const keeping = fileOf(slow).keep(pictureOf(7));
      await new Promise((resolve) => setImmediate(resolve));
      await fileOf(disk.process()).keep(pictureOf(9));
      expect((await fileOf(disk.process()).read()).revision).toBe(9);
      resume();
      await keeping.catch(() => {});
      expect((await fileOf(disk.process()).read()).revision).toBe(9);
    }
  });

  it('CONFIG-10 a crash at any step leaves the old or the new, whole, and what was left over is cleared away', async () => {
    let isOver = false;
    for (let steps = 0; !isOver; steps += 1) {
      for (let seed = 0; seed < 20; seed += 1) {
        const runtime = new ManualRuntime();
        const disk = new MemoryFiles({ random: seededRandom(seed), wallMs: () => runtime.wallMs() });
        await fileOf(disk.process(), { runtime }).keep(pictureOf(3));
        const files = disk.process();
        files.dieBefore(steps);
        let kept = false;
        void fileOf(files, { runtime })
          .keep(pictureOf(7))
          .then(() => {
            kept = true;
          });
        for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        isOver = !files.isDead;
        // The process alone, or the machine with it.
        if (seed > 0) disk.crash();
        const read = await fileOf(disk.process(), { runtime }).read();
        expect([3, 7]).toContain(read.revision);
        expect(textOf(read.contents.get('limits') as Uint8Array)).toBe(`{"r":${read.revision}}`);
        if (kept) expect(read.revision).toBe(7);
        runtime.stepWall(120_000);
        await fileOf(disk.process(), { runtime }).keep(pictureOf(8));
        expect(disk.paths).toEqual([nameOf(8)]);
      }
      expect(steps).toBeLessThan(20);
    }
  });

  it('CONFIG-10 what failed once is done by the next attempt, and then lasts', async () => {
    for (const call of ['list', 'create', 'syncFile', 'rename', 'syncFolder'] as const) {
      const disk = new MemoryFiles({ random: () => 0 });
      const files = disk.process();
      const file = fileOf(files);
      // Once for the sweeping before it.
      if (call === 'list') files.failNext(call);
      files.failNext(call);
      await expect(file.keep(pictureOf(5)), call).rejects.toEqual(refused('unreadable'));
      expect(disk.paths.filter((name) => name.endsWith('.tmp'))).toEqual([]);
      await file.keep(pictureOf(5));
      disk.crash();
      expect((await fileOf(disk.process()).read()).revision, call).toBe(5);
    }
  });

  it('CONFIG-10 one that another wrote counts as kept only once it lasts', async () => {
    const disk = new MemoryFiles({ random: () => 0 });
    const dying = disk.process();
    dying.dieBefore(3);
    void fileOf(dying).keep(pictureOf(7));
    await new Promise((resolve) => setImmediate(resolve));
    expect(disk.paths).toEqual([nameOf(7)]);
    expect(await fileOf(disk.process()).keep(pictureOf(5))).toMatchObject({ revision: 7 });
    disk.crash();
    expect((await fileOf(disk.process()).read()).revision).toBe(7);
  });

  it('CONFIG-10 what is not whole is refused wherever it was cut or changed, and not passed over for an older one', async () => {
    const disk = new MemoryFiles();
    await fileOf(disk.process()).keep(pictureOf(7));
    const whole = disk.content(nameOf(7)) as Uint8Array;
    for (let length = 0; length < whole.length; length += 7) {
      disk.put(nameOf(7), whole.slice(0, length));
      await expect(fileOf(disk.process()).read()).rejects.toEqual(refused('damaged'));
    }
    for (let at = 0; at < whole.length; at += 5) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ 1;
      disk.put(nameOf(7), changed);
      await expect(fileOf(disk.process()).read()).rejects.toMatchObject({ code: 'codec' });
    }
    disk.put(nameOf(7), whole);
    disk.put(nameOf(9), whole.slice(0, 50));
    await expect(fileOf(disk.process()).read()).rejects.toEqual(refused('damaged'));
    await expect(fileOf(disk.process()).keep(pictureOf(8))).rejects.toEqual(refused('damaged'));
    await fileOf(disk.process()).keep(pictureOf(9));
    expect((await fileOf(disk.process()).read()).revision).toBe(9);
    // Under another name it would pass for newer than it is.
    disk.put(nameOf(20), whole);
    await expect(fileOf(disk.process()).read()).rejects.toEqual(refused('damaged'));
  });

  it('CONFIG-10 what is of others, or of a later format, is refused, and left alone', async () => {
    const disk = new MemoryFiles();
    await expect(fileOf(disk.process()).read()).rejects.toEqual(refused('missing'));
    await fileOf(disk.process()).keep(pictureOf(7));
    for (const other of [
      ...[{ keys: 'other/config/shop/' }, { scope: 'staging' }, { instance: { id: 'j' } }],
      ...[{ instance: { id: 'i', labels: { a: 'b' } } }, { instance: { id: 'i', addresses: ['a'] } }],
    ]) {
      await expect(fileOf(disk.process(), other).read()).rejects.toEqual(refused('other-reader'));
      await expect(fileOf(disk.process(), other).keep(pictureOf(9))).rejects.toEqual(refused('other-reader'));
    }
    expect(disk.paths).toEqual([nameOf(7)]);
    const more = fileOf(disk.process(), { documents: ['limits', 'flags', 'motd'] });
    await expect(more.read()).rejects.toEqual(refused('other-documents'));
    await more.keep(pictureOf(7));
    expect(await more.read()).toMatchObject({ revision: 7, documents: ['limits', 'flags', 'motd'] });
    const text = disk.text(nameOf(7)) as string;
    disk.put(nameOf(8), text.replace('"version":1', '"version":2'));
    await expect(fileOf(disk.process()).read()).rejects.toEqual(refused('newer-format'));
    const files = disk.process();
    files.failNext('read', 'EACCES');
    await expect(fileOf(files).read()).rejects.toEqual(refused('unreadable'));
  });

  it('CONFIG-10 of another cluster it is refused where one is asked for, and replaced once that is read', async () => {
    const disk = new MemoryFiles();
    await fileOf(disk.process()).keep(pictureOf(70, 'old one/2'));
    expect((await fileOf(disk.process()).read()).clusterId).toBe('old one/2');
    await expect(fileOf(disk.process()).read('c1')).rejects.toEqual(refused('other-cluster'));
    const kept = await fileOf(disk.process()).keep(pictureOf(5));
    expect(kept).toEqual({ clusterId: 'c1', revision: 5, replaced: ['old one/2'] });
    expect((await fileOf(disk.process()).read()).revision).toBe(5);
    // As after a crash between the two.
    const beside = new MemoryFiles();
    await fileOf(beside.process()).keep(pictureOf(70, 'c2'));
    disk.put(nameOf(70, 'c2'), beside.content(nameOf(70, 'c2')) as Uint8Array);
    await expect(fileOf(disk.process()).read()).rejects.toEqual(refused('other-cluster'));
    expect((await fileOf(disk.process()).read('c2')).revision).toBe(70);
  });
});
