import { describe, expect, it, onTestFinished } from 'vitest';
import { Line, sendJoinings } from '../../src/line/index.js';
import { MemoryServer } from '../../src/memory/index.js';
import { Client } from '../../src/session/index.js';
import { put, remove } from '../../src/store/index.js';
import { hookedStore } from '../support/hooked-store.js';

describe('places that are taken together', () => {
  it('share one look at the line, and stand in it in the order of their keys', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const client = await Client.open({ store: hooked.store, namespace: 'n' });
    onTestFinished(() => client.close());
    const session = await client.session();
    const [line, other] = [new Line(client, 'line/'), new Line(client, 'other/')];
    const before = await line.join(session, { stem: 'z' });
    let looks = 0;
    hooked.hook = (request, send) => {
      looks += JSON.stringify(request).split('"type":"range"').length - 1;
      return send();
    };
    const joinings = [
      ...['a', 'b', 'c'].map((stem) => line.joining(session, { stem })),
      other.joining(session, { stem: 'b' }),
    ];
    const request = { client, session, joinings, compare: [session.guard()] };
    const places = await sendJoinings({ ...request, before: [put('first', '')] });
    // One for each line, and one that the exactly-once store would ask for had it been refused.
    expect(looks).toBe(3);
    const older = places?.map(({ state }) => (state.status === 'waiting' ? [...state.older.keys()] : []));
    expect(older).toEqual([['line/l/z'], ['line/l/a', 'line/l/z'], ['line/l/a', 'line/l/b', 'line/l/z'], []]);
    const [a, b, c] = places ?? [];
    for (const place of [before, a, b]) if (place !== undefined) await line.leave(place);
    expect(await c?.turn).toBeGreaterThan(c?.revision ?? 0);
  });

  it('wait unfollowed if that is asked for, and open no watch', async () => {
    const client = await Client.open({ store: new MemoryServer().connect(), namespace: 'n' });
    onTestFinished(() => client.close());
    const session = await client.session();
    const line = new Line(client, 'line/');
    const first = await line.join(session);
    const request = { client, session, joinings: [line.joining(session)], compare: [session.guard()] };
    const [second] = (await sendJoinings({ ...request, follow: false })) ?? [];
    await line.leave(first);
    expect(second?.state.status).toBe('waiting');
    if (second !== undefined) line.follow(second);
    expect(await second?.turn).toBeGreaterThan(0);
  });

  it('are told, when they are followed at last, what the open watch had told the others meanwhile', async () => {
    const client = await Client.open({ store: new MemoryServer().connect(), namespace: 'n' });
    onTestFinished(() => client.close());
    const session = await client.session();
    const line = new Line(client, 'line/');
    const [first, second] = [await line.join(session), await line.join(session)];
    const request = { client, session, joinings: [line.joining(session)], compare: [session.guard()] };
    const [third] = (await sendJoinings({ ...request, follow: false })) ?? [];
    await line.leave(first);
    await second.turn;
    await line.leave(second);
    // The watch stands open yet, and nothing more happens in the line.
    if (third !== undefined) line.follow(third);
    const late = new Promise((resolve) => setTimeout(resolve, session.ttlMs / 4, 'late'));
    expect(await Promise.race([third?.turn, late])).toBeGreaterThan(0);
  });

  it('of several keys are left whole, where somebody has deleted one of them', async () => {
    const client = await Client.open({ store: new MemoryServer().connect(), namespace: 'n' });
    onTestFinished(() => client.close());
    const session = await client.session();
    const line = new Line(client, 'line/', { shape: { keys: (stem) => [`a/${stem}`, `b/${stem}`] } });
    const keys = async () => (await client.store.range({ ...line.range, keysOnly: true })).kvs.length;
    const place = await line.join(session);
    line.guardAgainstDeletion(place);
    await client.store.txn({ compare: [], success: [remove(place.key)], failure: [] });
    await expect.poll(() => place.state.status).toBe('gone');
    expect(await keys()).toBe(1);
    expect(await line.leave(place)).toBe(false);
    expect(await keys()).toBe(0);
    const unwatched = await line.join(session);
    await client.store.txn({ compare: [], success: [remove(unwatched.key)], failure: [] });
    expect(await line.leave(unwatched)).toBe(false);
    expect(await keys()).toBe(0);
  });
});
