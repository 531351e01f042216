/** Who dispatches, where watches are cut or silent. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { MemoryServer } from '../../src/memory/index.js';
import { Candidacy } from '../../src/queues/dispatch/candidacy.js';
import { QueueKeys } from '../../src/queues/keys.js';
import { systemRuntime } from '../../src/runtime/index.js';
import { Client } from '../../src/session/index.js';
import {
  type Op,
  put,
  remove,
  type Store,
  type TxnRequest,
  txnOf,
  type Watch,
} from '../../src/store/index.js';
import { cuttingWatches } from '../support/cut-watches.js';
import { fastRuntime } from '../support/fast-runtime.js';
import { hookedStore } from '../support/hooked-store.js';
import { storeWith } from '../support/store-with.js';

function writes({ success }: Pick<TxnRequest, 'success'>, key: string): boolean {
  return success.some((op: Op) =>
    op.type === 'txn' ? writes(op, key) : op.type === 'put' && op.key === key,
  );
}

/** Opens a client on this store, and has it stand for dispatcher behind one who stands there already. */
async function standing(server: MemoryServer, store: Store, runtime = systemRuntime) {
  const other = server.connect();
  const client = await Client.open({ store, namespace: 'ns', runtime });
  const keys = new QueueKeys(client.keys.prefix('queue', 'q'));
  await other.txn(txnOf({ success: [put(keys.candidate('old'), '')] }));
  const terms: number[] = [];
  const over = new AbortController();
  const candidacy = new Candidacy({
    ...{ client, keys, session: await client.session(), worker: 'me', mirror: 100 },
    onChange: ({ dispatching, term }) => {
      if (dispatching) terms.push(term);
    },
    onError: () => {},
  });
  const begin = () => {
    const running = candidacy.run(over.signal);
    return async () => {
      over.abort();
      await running;
      await client.close();
      await other.close();
      await server.close();
    };
  };
  return { keys, other, terms, begin };
}

it('a candidate does not wait for one who went while its watch was cut and the reply to its join was on its way', async () => {
  const server = new MemoryServer();
  const hooked = hookedStore(server.connect());
  const cutting = cuttingWatches(hooked.store);
  const { keys, other, terms, begin } = await standing(server, cutting.store, fastRuntime(0.05));
  let isCut = false;
  hooked.hook = async (request, send) => {
    const reply = await send();
    if (!isCut && writes(request, keys.candidate('me'))) {
      isCut = true;
      cutting.cut(20);
      await other.txn(txnOf({ success: [remove(keys.candidate('old'))] }));
      await delay(100);
    }
    return reply;
  };
  const end = begin();
  // By its clock that is far less than the second after which it would depose one who is silent.
  await expect.poll(() => terms.length).toBe(1);
  expect(isCut).toBe(true);
  await end();
});

it('a candidate whose watch is silent learns who stands before it when it cannot depose that one', async () => {
  const server = new MemoryServer();
  const inner = server.connect();
  let silent = '';
  const watch: Store['watch'] = (request): Watch => {
    const open = inner.watch(request);
    async function* told() {
      for await (const item of open) if (request.key !== silent || item.type !== 'events') yield item;
    }
    return { [Symbol.asyncIterator]: told, close: () => open.close() };
  };
  const { keys, other, terms, begin } = await standing(server, storeWith(inner, { watch }));
  silent = keys.candidates.key;
  const end = begin();
  await expect.poll(async () => (await other.range({ key: keys.candidate('me') })).kvs.length).toBe(1);
  await other.txn(txnOf({ success: [remove(keys.candidate('old'))] }));
  await expect.poll(() => terms.length).toBe(1);
  await end();
});
