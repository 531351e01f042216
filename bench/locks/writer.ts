/** Traffic of others on etcd: see writing.ts. */
import { put } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';
import { writeSteadily } from './writing.js';

const store = await openEtcd3Store({ hosts: process.argv[2] ?? '' });
await writeSteadily((number) =>
  store.txn({ compare: [], success: [put(`others/${number % 100}`, 'x'.repeat(64))], failure: [] }),
);
