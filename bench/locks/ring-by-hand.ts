/**
 * The same ring with the transactions of the mutex in a crowd, written out by hand: a place on the lease of a session, taken
 * through a lane, with a look at the line; left by a guarded deletion that names the next one and moves the sentinel. So this is
 * what the protocol costs etcd, the connection and Node, with no library around it: nobody is queued, timed out, given up on,
 * fenced, looked after when a watch is cut or a reply is lost.
 */
import { Client, compare, get, put, remove, txnOf } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';
import { contend } from './loop.js';
import { RingMember, requestOptions } from './ring.js';

await contend(async ({ endpoint, name }) => {
  const store = await openEtcd3Store({ hosts: endpoint });
  const client = await Client.open({ store, closeStore: true, namespace: 'bench' });
  const session = await client.session();
  const prefix = `bench/${name}`;
  const sentinel = `${prefix}/s`;
  const lease = { lease: session.leaseId };
  const says = JSON.stringify({ session: session.id, label: client.label });
  const lane = `${prefix}/lane/${session.id}`;
  let laneRevision = 0;
  let placeRevision = 0;
  return RingMember.open({
    ...{ store, prefix },
    join: async (member) => {
      const taken = await store.txn(
        txnOf({
          compare: [compare.mod(lane, 'equal', laneRevision), session.guard()],
          success: [
            put(lane, '1'),
            put(`${prefix}/l/${member}`, says, lease),
            { type: 'range', key: `${prefix}/l/`, rangeEnd: `${prefix}/l0`, countOnly: true },
            get(sentinel, { keysOnly: true }),
          ],
          failure: [get(lane)],
        }),
        requestOptions,
      );
      if (!taken.succeeded) throw new Error('a join was refused');
      laneRevision = taken.revision;
      placeRevision = taken.revision;
    },
    passOn: async (member, turn) => {
      const place = `${prefix}/l/${member}`;
      const behind = [[place, placeRevision, session.leaseId]];
      const grant = put(turn, JSON.stringify({ place, created: placeRevision, behind }), lease);
      await store.txn(
        txnOf({
          compare: [compare.mod(place, 'equal', placeRevision)],
          success: [remove(place), grant, put(sentinel, '', lease)],
          // Who is done passes it on without having asked for it.
          failure: [grant],
        }),
        requestOptions,
      );
    },
    close: () => client.close(),
  });
});
