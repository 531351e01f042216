import { status } from '@grpc/grpc-js';
import { afterEach, expect, it } from 'vitest';
import { describeBoth } from './both-servers.js';
import { bytes, type Message, type RawClient, type RawStream } from './raw-client.js';

interface Event {
  type: string;
  kv: { key: Buffer; value: Buffer; mod_revision: string };
  prev_kv: { value: Buffer } | null;
}

const create = (key: string, more: Message = {}): Message => ({
  create_request: { key: bytes(key), ...more },
});
const eventsOf = (message: Message): Event[] => message.events as Event[];
const shown = (message: Message): string[] =>
  eventsOf(message).map(({ type, kv, prev_kv }) => {
    const before = prev_kv === null ? '' : ` was ${prev_kv.value}`;
    return `${type} ${kv.key}=${kv.value}@${kv.mod_revision}${before}`;
  });
const revisionOf = (message: Message): number => Number((message.header as Message).revision);

let counter = 0;
const unique = (name: string): string => {
  counter += 1;
  return `${name}-${counter}`;
};

async function put(client: RawClient, key: string, value: string): Promise<number> {
  return revisionOf(await client.call('KV', 'Put', { key: bytes(key), value: bytes(value) }));
}

async function remove(client: RawClient, key: string): Promise<number> {
  return revisionOf(await client.call('KV', 'DeleteRange', { key: bytes(key) }));
}

describeBoth('a watch stream', (server) => {
  const streams: RawStream[] = [];
  const open = (): RawStream => {
    const stream = server().client.stream('Watch', 'Watch');
    streams.push(stream);
    return stream;
  };
  /** Events until there are so many, however they were put into messages. */
  const gather = async (stream: RawStream, count: number): Promise<string[]> => {
    const events: string[] = [];
    while (events.length < count) events.push(...shown(await stream.next()));
    return events;
  };
  afterEach(() => {
    for (const stream of streams.splice(0)) stream.cancel();
  });

  it('answers created with the revision of that moment, and then tells every event above it', async () => {
    const { client } = server();
    const key = unique('k');
    const before = await put(client, key, 'before');
    const stream = open();
    stream.send(create(key));
    const created = await stream.next();
    expect(created).toMatchObject({ watch_id: '0', created: true, canceled: false, events: [] });
    expect(revisionOf(created)).toBe(before);
    const first = await put(client, key, '1');
    const second = await remove(client, key);
    expect(await gather(stream, 2)).toEqual([`Put ${key}=1@${first}`, `Delete ${key}=@${second}`]);
  });

  it('tells history from start_revision with the values before, then goes on', async () => {
    const { client } = server();
    const key = unique('k');
    const first = await put(client, key, '1');
    await put(client, key, '2');
    await remove(client, key);
    const stream = open();
    stream.send(create(key, { start_revision: String(first), prev_kv: true }));
    expect(await stream.next()).toMatchObject({ created: true });
    expect(await gather(stream, 3)).toEqual([
      `Put ${key}=1@${first}`,
      `Put ${key}=2@${first + 1} was 1`,
      `Delete ${key}=@${first + 2} was 2`,
    ]);
    await put(client, key, '4');
    expect(await gather(stream, 1)).toEqual([`Put ${key}=4@${first + 3}`]);
  });

  it('waits for a start_revision that is still to come', async () => {
    const { client } = server();
    const key = unique('k');
    const revision = await put(client, key, '1');
    const stream = open();
    stream.send(create(key, { start_revision: String(revision + 3) }));
    await stream.next();
    for (const value of ['2', '3', '4']) await put(client, key, value);
    expect(await gather(stream, 1)).toEqual([`Put ${key}=4@${revision + 3}`]);
  });

  it('keeps the events of one revision in one message', async () => {
    const { client } = server();
    const prefix = unique('p');
    const stream = open();
    stream.send(create(`${prefix}/`, { range_end: bytes(`${prefix}0`) }));
    await stream.next();
    const success = Array.from({ length: 50 }, (_, i) => ({
      request_put: { key: bytes(`${prefix}/${i}`), value: bytes('x') },
    }));
    await client.call('KV', 'Txn', { compare: [], success, failure: [] });
    expect(eventsOf(await stream.next())).toHaveLength(50);
  });

  it('leaves out what filters name', async () => {
    const { client } = server();
    const key = unique('k');
    const stream = open();
    stream.send(create(key, { filters: ['Noput'], watch_id: '7' }));
    stream.send(create(key, { filters: ['Nodelete'], watch_id: '8' }));
    await stream.collect(2);
    await put(client, key, '1');
    await remove(client, key);
    const seen = await stream.collect(2);
    expect(seen.map((message) => [message.watch_id, eventsOf(message).map((event) => event.type)])).toEqual([
      ['8', ['Put']],
      ['7', ['Delete']],
    ]);
  });

  it('chooses ids around those that the client chose, and refuses one that is taken', async () => {
    const stream = open();
    const key = unique('k');
    for (const watch_id of ['1', '0', '0', '9007199254740993', '1']) stream.send(create(key, { watch_id }));
    const replies = await stream.collect(5);
    expect(replies.map((reply) => reply.watch_id)).toEqual(['1', '0', '2', '9007199254740993', '-1']);
    expect(replies[4]).toMatchObject({
      created: true,
      canceled: true,
      cancel_reason: 'mvcc: duplicate watch ID provided on the WatchStream',
    });
  });

  it('refuses a range without keys, and takes no key for the first of all', async () => {
    const { client } = server();
    const stream = open();
    stream.send(create('b', { range_end: bytes('a') }));
    expect(await stream.next()).toMatchObject({
      watch_id: '-1',
      created: true,
      canceled: true,
      cancel_reason: 'mvcc: watcher range is empty',
    });
    stream.send({ create_request: { range_end: bytes('\0') } });
    expect(await stream.next()).toMatchObject({ watch_id: '0', created: true, canceled: false });
    const revision = await put(client, '\x01\xff', 'v');
    expect(eventsOf(await stream.next())[0]?.kv).toMatchObject({
      key: bytes('\x01\xff'),
      mod_revision: String(revision),
    });
  });

  it('answers a cancel once, says nothing on an unknown id, and gives the id free', async () => {
    const { client } = server();
    const key = unique('k');
    const stream = open();
    stream.send(create(key, { watch_id: '5' }));
    await stream.next();
    stream.send({ cancel_request: { watch_id: '404' } });
    stream.send({ cancel_request: { watch_id: '5' } });
    expect(await stream.next()).toMatchObject({ watch_id: '5', created: false, canceled: true });
    await put(client, key, 'unseen');
    stream.send(create(key, { watch_id: '5' }));
    expect(await stream.next()).toMatchObject({ watch_id: '5', created: true, canceled: false });
    await put(client, key, 'seen');
    expect(eventsOf(await stream.next())[0]?.kv.value.toString()).toBe('seen');
  });

  it('answers a progress request with the revision, for no watch in particular', async () => {
    const { client } = server();
    const key = unique('k');
    const stream = open();
    stream.send(create(key));
    await stream.next();
    const revision = await put(client, unique('other'), '1');
    stream.send({ progress_request: {} });
    const reply = await stream.next();
    expect(reply).toMatchObject({ watch_id: '-1', created: false, canceled: false, events: [] });
    expect(revisionOf(reply)).toBe(revision);
  });

  it('passes over a request that asks nothing', async () => {
    const stream = open();
    stream.send({});
    stream.send(create(unique('k')));
    expect(await stream.next()).toMatchObject({ created: true });
  });

  it('goes on for a client that has said all it had to say', async () => {
    const { client } = server();
    const key = unique('k');
    const stream = open();
    stream.send(create(key));
    await stream.next();
    stream.raw.end();
    await put(client, key, 'still');
    expect(eventsOf(await stream.next())[0]?.kv.value.toString()).toBe('still');
  });

  it('ends a watch from a compacted revision with compact_revision, after created', async () => {
    const { client } = server();
    const key = unique('k');
    const revision = await put(client, key, '1');
    await put(client, key, '2');
    const compact = String(await put(client, key, '3'));
    await client.call('KV', 'Compact', { revision: compact });
    const stream = open();
    stream.send(create(key, { start_revision: String(revision) }));
    expect(await stream.next()).toMatchObject({ watch_id: '0', created: true, canceled: false });
    expect(await stream.next()).toMatchObject({
      watch_id: '0',
      created: false,
      canceled: true,
      compact_revision: compact,
    });
    // At the compacted revision itself there is nothing lost yet.
    stream.send(create(key, { start_revision: compact }));
    expect(await stream.next()).toMatchObject({ watch_id: '1', created: true });
    expect(await gather(stream, 1)).toEqual([`Put ${key}=3@${compact}`]);
  });

  it('cuts a big revision into fragments for a client that asked for it', async () => {
    const { client } = server();
    const prefix = unique('p');
    const value = Buffer.alloc(400 * 1024);
    for (let i = 0; i < 8; i += 1) {
      await client.call('KV', 'Put', { key: bytes(`${prefix}/${i}`), value });
    }
    const stream = open();
    const range = { range_end: bytes(`${prefix}0`), prev_kv: true };
    stream.send(create(`${prefix}/`, { ...range, fragment: true }));
    await stream.next();
    await client.call('KV', 'DeleteRange', { key: bytes(`${prefix}/`), range_end: bytes(`${prefix}0`) });
    const messages: Message[] = [];
    do messages.push(await stream.next());
    while (messages.at(-1)?.fragment);
    expect(messages.length).toBeGreaterThan(1);
    expect(messages.flatMap(shown)).toHaveLength(8);
  });

  it('ends when the client cancels it', async () => {
    const stream = open();
    stream.send(create(unique('k')));
    await stream.next();
    stream.cancel();
    expect((await stream.ended).code).toBe(status.CANCELLED);
  });
});
