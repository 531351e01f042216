import { describe, expect, it } from 'vitest';
import { Place } from '../../src/line/place.js';
import type { Session } from '../../src/session/index.js';

function placeAmong(older: readonly string[]) {
  const created = new Map(older.map((key, index) => [key, index + 1]));
  const controller = new AbortController();
  const session = { signal: controller.signal } as unknown as Session;
  const place = new Place({ key: 'l/me', session, revision: 10, asOf: 10, older: created });
  return { place, loseSession: () => controller.abort(new Error('lost')) };
}

describe('Place', () => {
  it('is the oldest at once if nobody was before, proved by its own revision', async () => {
    const { place } = placeAmong([]);
    expect(place.state).toEqual({ status: 'oldest', revision: 10 });
    expect(await place.turn).toBe(10);
  });

  it('is the oldest when the last older one goes, proved by that revision', async () => {
    const { place } = placeAmong(['l/a', 'l/b']);
    place.strike('l/b', 12, true);
    expect(place.state.status).toBe('waiting');
    place.strike('l/other', 13, true);
    place.strike('l/a', 14, true);
    expect(await place.turn).toBe(14);
  });

  it('LOCK-2 is proved by the last one to go, in whatever order it hears of them', async () => {
    const { place } = placeAmong(['l/a', 'l/b']);
    place.strike('l/a', 17, true);
    place.strike('l/b', 16, true);
    expect(await place.turn).toBe(17);
  });

  it('LOCK-1 takes no event for a proof while it may have missed its own end', async () => {
    const { place } = placeAmong(['l/a']);
    place.strike('l/a', 14, false);
    expect(place.state.status).toBe('waiting');
    place.see(new Map(), 15);
    expect(place.state).toMatchObject({ status: 'gone', error: { code: 'hold-lost' } });
    await expect(place.turn).rejects.toMatchObject({ code: 'hold-lost' });
  });

  it('is proved by the look that follows what it could not take for a proof', async () => {
    const { place } = placeAmong(['l/a', 'l/b']);
    place.strike('l/a', 14, false);
    place.see(new Map([['l/me', 10]]), 15);
    expect(await place.turn).toBe(15);
  });

  it('LOCK-1 takes no look for a proof of what came after it', async () => {
    const { place } = placeAmong(['l/a']);
    expect(place.needsLook).toBe(false);
    place.strike('l/a', 18, false);
    place.see(
      new Map([
        ['l/a', 1],
        ['l/me', 10],
      ]),
      15,
    );
    expect(place.state.status).toBe('waiting');
    expect(place.needsLook).toBe(true);
    place.see(new Map([['l/me', 10]]), 19);
    expect(await place.turn).toBe(19);
  });

  it('only forgets older places by a look, never learns of new ones', () => {
    const { place } = placeAmong(['l/a', 'l/b']);
    place.see(
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
    place.strike('l/b', 2, true);
    place.deleted(9);
    expect(place.state).toMatchObject({
      status: 'waiting',
      older: new Map([
        ['l/a', 1],
        ['l/b', 2],
      ]),
    });
    // Seen under the same key but created later: the older one is gone.
    place.see(
      new Map([
        ['l/a', 12],
        ['l/b', 2],
        ['l/me', 10],
      ]),
      13,
    );
    expect(place.state).toMatchObject({ status: 'waiting', older: new Map([['l/b', 2]]) });
    place.see(
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
    place.strike('l/a', 12, true);
    place.see(new Map([['l/me', 10]]), 13);
    expect(place.state.status).toBe('gone');
    expect(reasons).toEqual(['session-lost']);
    await expect(place.turn).rejects.toMatchObject({ code: 'session-lost' });
  });
});
