/** How a term begins where there is much to be read. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { MemoryServer } from '../../src/memory/index.js';
import { Dispatcher } from '../../src/queues/dispatch/dispatcher.js';
import { itemId, placeOf, QueueKeys } from '../../src/queues/keys.js';
import { createGates } from '../../src/queues/producer/admission.js';
import { type Beat, decodeBeat, encodeBeat, encodeRecord } from '../../src/queues/records/index.js';
import { Client } from '../../src/session/index.js';
import { type Op, put, type TxnRequest, txnOf } from '../../src/store/index.js';
import { hookedStore } from '../support/hooked-store.js';

function all({ success }: Pick<TxnRequest, 'success'>): readonly Op[] {
  return success.flatMap((op) => (op.type === 'txn' ? all(op) : [op]));
}

const told: Beat = { timeMs: 70, bases: { '': placeOf(1) }, follows: false, seen: 3 };
const untold: Beat = { timeMs: 0, bases: { '': placeOf(1) }, follows: true, seen: 0 };

it.each([
  { what: 'says of the queue what was said', found: told, repeated: { ...told, follows: true } },
  { what: 'where nobody has said anything, says where it begins', found: undefined, repeated: untold },
])(
  'QUEUE-7 a dispatcher that reads for long shows meanwhile that it lives, and $what',
  async ({ found, repeated }) => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const client = await Client.open({ store: hooked.store, namespace: 'ns' });
    const keys = new QueueKeys(client.keys.prefix('queue', 'q'));
    const jobs = Array.from({ length: 600 }, (_, n) => ({
      ...{ id: itemId(1, 'p', n), create: 1, generation: 0, failures: 0, losses: 0 },
    }));
    await client.store.txn(createGates(keys, 1, ['']));
    const { revision } = await client.store.txn(
      txnOf({
        success: [
          put(keys.candidate('me'), ''),
          put(`${keys.recordsOf('gone').key}1`, encodeRecord(jobs)),
          ...(found === undefined ? [] : [put(keys.beat, encodeBeat(found))]),
        ],
      }),
    );
    /** With how many slow reads there were before each. */
    const beats: { readonly reads: number; readonly beat: Beat }[] = [];
    let slow = 0;
    hooked.hook = async (request, send) => {
      const ops = all(request);
      for (const op of ops) {
        if (op.type !== 'put' || op.key !== keys.beat) continue;
        beats.push({ reads: slow, beat: decodeBeat(op.value) });
      }
      if (ops.filter(({ type }) => type === 'range').length > 50) {
        slow += 1;
        await delay(250);
      }
      return send();
    };
    const over = new AbortController();
    const dispatcher = new Dispatcher({ client, keys, term: { candidate: 'me', revision }, mirror: 100 });
    const running = dispatcher.run(over.signal);
    // The first beat of its plan says how far it has read.
    await expect.poll(() => beats.at(-1)?.beat.seen).toBeGreaterThan(3);
    over.abort();
    await running;
    expect(slow).toBe(6);
    const reads = [0, ...beats.map((beat) => beat.reads)];
    expect(Math.max(...reads.slice(1).map((read, n) => read - (reads[n] ?? 0)))).toBeLessThanOrEqual(3);
    for (const { beat } of beats.slice(0, -1)) expect(beat).toEqual(repeated);
    await client.close();
    await server.close();
  },
);
