/**
 * What a hand-over costs on this machine without a lock around it: a ring whose members pass the token on by one put, after one
 * put of their own. These are as many requests, commits and watch messages as the mutex needs, through the same connection, and
 * nothing is decided, guarded, leased or fenced.
 */
import { put, txnOf } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';
import { contend } from './loop.js';
import { RingMember, requestOptions } from './ring.js';

await contend(async ({ endpoint, name }) => {
  const store = await openEtcd3Store({ hosts: endpoint });
  const prefix = `bench/${name}`;
  const write = (key: string) => store.txn(txnOf({ success: [put(key, 'x')] }), requestOptions);
  return RingMember.open({
    ...{ store, prefix },
    join: (member) => write(`${prefix}/join/${member}`),
    passOn: (_member, turn) => write(turn),
    close: () => store.close(),
  });
});
