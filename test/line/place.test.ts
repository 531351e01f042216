import { describe, expect, it } from 'vitest';
import { encodePlace } from '../../src/line/index.js';
import { Place } from '../../src/line/place.js';
import type { Session } from '../../src/session/index.js';
import type { Key, KeyValue } from '../../src/store/index.js';

function placeAmong(older: readonly string[]) {
  const created = new Map(older.map((key, index) => [key, index + 1]));
  const controller = new AbortController();
  const { signal } = controller;
  const session = { signal, isLive: () => !signal.aborted } as unknown as Session;
  const claims = [{ key: 'l/me', created: 10, revision: 10 }];
  const place = new Place({ claims, session, revision: 10, asOf: 10, older: created });
  return { place, loseSession: () => controller.abort(new Error('lost')) };
}

const bytes = new Uint8Array();

function kvOf(
  key: Key,
  createRevision: number,
  value: Uint8Array = bytes,
  modRevision = createRevision,
): KeyValue {
  return { key, value, createRevision, modRevision, version: 1, lease: '0' };
}

function strike(place: Place, key: Key, revision: number, complete: boolean): void {
  place.apply([{ type: 'delete', kv: { ...kvOf(key, 0), modRevision: revision } }], revision, complete);
}

function see(place: Place, present: ReadonlyMap<Key, number>, revision: number, withValues = true): void {
  place.see(new Map([...present].map(([key, created]) => [key, kvOf(key, created)])), revision, withValues);
}

describe('Place', () => {
  it('is the oldest at once if nobody was before, proved by its own revision', async () => {
    const { place } = placeAmong([]);
    expect(place.state).toEqual({ status: 'admitted', revision: 10 });
    expect(await place.turn).toBe(10);
  });

  it('is the oldest when the last older one goes, proved by that revision', async () => {
    const { place } = placeAmong(['l/a', 'l/b']);
    strike(place, 'l/b', 12, true);
    expect(place.state.status).toBe('waiting');
    strike(place, 'l/other', 13, true);
    strike(place, 'l/a', 14, true);
    expect(await place.turn).toBe(14);
  });

  it('tells only of fewer ahead, and takes what it does not wait for as no concern of its own', () => {
    const { place } = placeAmong(['l/a', 'l/b']);
    const ahead: number[] = [];
    place.onFewer((left) => ahead.push(left));
    strike(place, 'l/other', 12, true);
    place.apply([{ type: 'put', kv: kvOf('l/late', 13) }], 13, true);
    expect(ahead).toEqual([]);
    strike(place, 'l/a', 14, false);
    strike(place, 'l/other', 18, true);
    expect(ahead).toEqual([1]);
    see(place, new Map([['l/me', 10]]), 15);
    expect(place.state).toEqual({ status: 'admitted', revision: 15 });
  });

  it('LOCK-2 is proved by the last one to go, in whatever order it hears of them', async () => {
    const { place } = placeAmong(['l/a', 'l/b']);
    strike(place, 'l/a', 17, true);
    strike(place, 'l/b', 16, true);
    expect(await place.turn).toBe(17);
  });

  it('LOCK-1 takes no event for a proof while it may have missed its own end', async () => {
    const { place } = placeAmong(['l/a']);
    strike(place, 'l/a', 14, false);
    expect(place.state.status).toBe('waiting');
    see(place, new Map(), 15);
    expect(place.state).toMatchObject({ status: 'gone', error: { code: 'hold-lost' } });
    await expect(place.turn).rejects.toMatchObject({ code: 'hold-lost' });
  });

  it('is proved by the look that follows what it could not take for a proof', async () => {
    const { place } = placeAmong(['l/a', 'l/b']);
    strike(place, 'l/a', 14, false);
    see(place, new Map([['l/me', 10]]), 15);
    expect(await place.turn).toBe(15);
  });

  it('LOCK-1 takes no look for a proof of what came after it', async () => {
    const { place } = placeAmong(['l/a']);
    expect(place.needsLook).toBe(false);
    strike(place, 'l/a', 18, false);
    see(
      place,
      new Map([
        ['l/a', 1],
        ['l/me', 10],
      ]),
      15,
    );
    expect(place.state.status).toBe('waiting');
    expect(place.needsLook).toBe(true);
    see(place, new Map([['l/me', 10]]), 19);
    expect(await place.turn).toBe(19);
  });

  it('only forgets older places by a look, never learns of new ones', () => {
    const { place } = placeAmong(['l/a', 'l/b']);
    see(
      place,
      new Map([
        ['l/a', 1],
        ['l/me', 10],
        ['l/younger', 12],
      ]),
      20,
    );
    expect(place.state).toEqual({ status: 'waiting', older: new Map([['l/a', 1]]) });
  });

  it('tells a key that is used again from its earlier use', async () => {
    const { place } = placeAmong(['l/a', 'l/b']);
    // What went at or before the revision that created what is known was an earlier place.
    strike(place, 'l/b', 2, true);
    place.deleted(9);
    expect(place.state).toMatchObject({
      status: 'waiting',
      older: new Map([
        ['l/a', 1],
        ['l/b', 2],
      ]),
    });
    // Seen under the same key but created later: the older one is gone.
    see(
      place,
      new Map([
        ['l/a', 12],
        ['l/b', 2],
        ['l/me', 10],
      ]),
      13,
    );
    expect(place.state).toMatchObject({ status: 'waiting', older: new Map([['l/b', 2]]) });
    see(
      place,
      new Map([
        ['l/b', 2],
        ['l/me', 14],
      ]),
      15,
    );
    expect(place.state.status).toBe('gone');
    await expect(place.turn).rejects.toMatchObject({ code: 'hold-lost' });
  });

  it('goes with its session, and stays gone', async () => {
    const { place, loseSession } = placeAmong(['l/a']);
    const reasons: string[] = [];
    place.onGone((error) => reasons.push(error.code));
    loseSession();
    strike(place, 'l/a', 12, true);
    see(place, new Map([['l/me', 10]]), 13);
    expect(place.state.status).toBe('gone');
    expect(reasons).toEqual(['session-lost']);
    await expect(place.turn).rejects.toMatchObject({ code: 'session-lost' });
  });

  it('LOCK-10 is handed the hold where its key goes and another says so', async () => {
    const { place } = placeAmong(['l/a', 'l/b']);
    strike(place, 'l/me', 14, true);
    expect(place.state.status).toBe('waiting');
    expect(place.isMissing).toBe(true);
    // Whoever goes now proves nothing: the own place is gone.
    strike(place, 'l/b', 15, true);
    see(place, new Map([['l/a', 1]]), 15, false);
    expect(place.needsLook).toBe(true);
    const value = encodePlace({ session: 's', label: 'me', handedTo: { key: 'l/me', revision: 10 } });
    place.see(new Map([['l/a', kvOf('l/a', 1, value, 14)]]), 16, true);
    expect(await place.turn).toBe(14);
    expect(place.claims).toEqual([{ key: 'l/a', created: 1, revision: 14 }]);
    expect(place.revision).toBe(1);
    strike(place, 'l/a', 17, true);
    expect(place.state.status).toBe('gone');
  });

  it('LOCK-10 takes no hold that was handed to an earlier place of its name', () => {
    const { place } = placeAmong(['l/a']);
    strike(place, 'l/me', 14, true);
    const value = encodePlace({ session: 's', label: 'me', handedTo: { key: 'l/me', revision: 9 } });
    place.see(new Map([['l/a', kvOf('l/a', 1, value, 9)]]), 16, true);
    expect(place.state).toMatchObject({ status: 'gone', error: { code: 'hold-lost' } });
  });
});
