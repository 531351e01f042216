import { Etcd3 } from 'etcd3';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import {
  Config,
  ConfigEditor,
  type ConfigPermissionsRequest,
  configPermissions,
  etcdctlCommands,
  grantConfigRole,
} from '../../src/config/index.js';
import { ConfigKeys } from '../../src/config/keys.js';
import { openEtcd3Store } from '../../src/etcd3/index.js';
import { Client } from '../../src/session/index.js';
import { Keyspace, put, txnOf } from '../../src/store/index.js';
import { OwnEtcd } from '../etcd3/own-etcd.js';
import { documents, flags, limits, name, why } from './scene.js';

const namespace = 'firm';
const password = 'secret';
/** Who there is, and what each may do. */
const users: Readonly<Record<string, readonly ConfigPermissionsRequest[]>> = {
  reader: [{ to: 'read' }],
  ada: [{ to: 'propose', author: 'ada' }],
  bob: [{ to: 'propose', author: 'bob' }],
  flagger: [{ to: 'publish', documents: ['flags'] }],
  publisher: [{ to: 'publish' }],
  chief: [{ to: 'administer' }],
};

const denied = { code: 'permission-denied' };

describe.skipIf(inject('etcdEndpoint') === '')('permissions of a configuration, by etcd’s roles', () => {
  let etcd: OwnEtcd;
  const clients = new Map<string, Client>();
  const keys = new ConfigKeys(new Keyspace(namespace).prefix('config', name));

  async function clientOf(user: string): Promise<Client> {
    const known = clients.get(user);
    if (known !== undefined) return known;
    const store = await openEtcd3Store({ hosts: etcd.endpoint, auth: { username: user, password } });
    const client = await Client.open({ store, namespace, closeStore: true });
    clients.set(user, client);
    return client;
  }

  const editorOf = async (user: string, author = user) =>
    new ConfigEditor(await clientOf(user), name, { documents, author });

  beforeAll(async () => {
    etcd = await OwnEtcd.start({ extraArguments: ['--bcrypt-cost', '4'] });
    const etcd3 = new Etcd3({ hosts: etcd.endpoint });
    for (const [user, requests] of Object.entries({ root: [], ...users })) {
      await etcd.ctl('user', 'add', `${user}:${password}`);
      const permissions = requests.flatMap((request) =>
        configPermissions(new Keyspace(namespace), name, request),
      );
      if (user !== 'root') await grantConfigRole(etcd3.auth, user, permissions);
      await etcd.ctl('user', 'grant-role', user, user);
    }
    await etcd.ctl('auth', 'enable');
    etcd3.close();
  });
  afterAll(async () => {
    await Promise.all([...clients.values()].map((client) => client.close()));
    await etcd?.remove();
  });

  it('who publishes changes, rolls out and reads; who reads only reads', async () => {
    const publisher = await editorOf('publisher');
    await publisher.change([limits.set({ perSecond: 1 }), flags.set({ a: true })], why);
    const rollout = await publisher.rollouts.start(limits.set({ perSecond: 2 }), { percent: 100 }, why);
    const config = await Config.open(await clientOf('reader'), name, { documents });
    expect(config.get(limits)).toEqual({ perSecond: 2 });
    await publisher.rollouts.promote(rollout, why);
    await config.sync();
    expect(config.get(limits)).toEqual({ perSecond: 2 });
    await config.close();
    const reader = await editorOf('reader');
    await expect(reader.change(flags.set({}), why)).rejects.toMatchObject({
      ...denied,
      outcome: 'not-applied',
    });
    await expect(reader.history(limits).next()).rejects.toMatchObject(denied);
    await expect(publisher.setPolicy(limits, { approvals: 1 }, why)).rejects.toMatchObject(denied);
  });

  it('CONFIG-7 nobody changes, proposes or votes in the name of another', async () => {
    const chief = await editorOf('chief');
    await chief.setPolicy(limits, { approvals: 1 }, why);
    const [ada, bob, publisher] = [await editorOf('ada'), await editorOf('bob'), await editorOf('publisher')];
    await expect(ada.change(limits.set({ perSecond: 3 }), why)).rejects.toMatchObject({
      code: 'review-required',
    });
    await expect(ada.change(flags.set({ a: false }), why)).rejects.toMatchObject(denied);
    const proposal = await ada.reviews.propose(limits.set({ perSecond: 3 }), why);
    const adaAsBob = await editorOf('ada', 'bob');
    await expect(adaAsBob.reviews.approve(proposal, why)).rejects.toMatchObject(denied);
    await expect(adaAsBob.reviews.propose(flags.set({}), why)).rejects.toMatchObject(denied);
    await expect(publisher.reviews.publish(proposal, why)).rejects.toMatchObject({ code: 'review-required' });
    await bob.reviews.approve(proposal, why);
    await expect(bob.reviews.publish(proposal, why)).rejects.toMatchObject(denied);
    await publisher.reviews.publish(proposal, why);
    expect((await chief.read(limits)).layers).toMatchObject([{ content: { perSecond: 3 } }]);
    await expect(
      (await clientOf('ada')).store.txn(txnOf({ success: [put(keys.layer('limits', ''), '{}')] })),
    ).rejects.toMatchObject(denied);
  });

  it('who may publish one document may not publish another, nor both at once', async () => {
    const flagger = await editorOf('flagger');
    await flagger.change([flags.set({ b: true }), flags.overlay('eu', { b: null })], why);
    await expect(flagger.change([flags.set({}), limits.set({ perSecond: 9 })], why)).rejects.toMatchObject({
      code: 'review-required',
    });
    await (await editorOf('chief')).setPolicy(limits, { approvals: 0 }, why);
    await expect(flagger.change([flags.set({}), limits.set({ perSecond: 9 })], why)).rejects.toMatchObject(
      denied,
    );
    expect((await flagger.read(flags)).layers).toMatchObject([
      { content: { b: true } },
      { content: { b: null } },
    ]);
  });
});

it('says the same as commands, quoted for a shell', () => {
  const permissions = configPermissions(new Keyspace('ns'), "it's", { to: 'read' });
  expect(etcdctlCommands('readers', permissions)).toEqual([
    `etcdctl role add 'readers'`,
    `etcdctl role grant-permission 'readers' readwrite 'ns/lane/' 'ns/lane0'`,
    `etcdctl role grant-permission 'readers' read 'ns/config/it'\\''s/live/' 'ns/config/it'\\''s/live0'`,
  ]);
  expect(() => configPermissions(new Keyspace('ns'), 'c', { to: 'write' as never })).toThrow('accepted');
  expect(() => configPermissions(new Keyspace('ns'), 'c', { to: 'propose' })).toThrow('author');
});

it('refuses what is no keyspace, no request, and no names of documents', () => {
  const keyspace = new Keyspace('ns');
  const read: ConfigPermissionsRequest = { to: 'read' };
  const ofDocuments = (documents: unknown) => ({ to: 'publish', documents }) as never;
  const calls: Readonly<Record<string, readonly (() => unknown)[]>> = {
    'keyspace is': [undefined, null, 5, {}, 'ns'].map(
      (wrong) => () => configPermissions(wrong as never, 'c', read),
    ),
    'request is': [undefined, null, 5].map((wrong) => () => configPermissions(keyspace, 'c', wrong as never)),
    'documents is': [null, 5, 'flags', {}].map(
      (wrong) => () => configPermissions(keyspace, 'c', ofDocuments(wrong)),
    ),
    'a name in documents': [[null], [5], [''], [flags], ['a', '\ud800']].map(
      (wrong) => () => configPermissions(keyspace, 'c', ofDocuments(wrong)),
    ),
  };
  for (const [says, wrong] of Object.entries(calls)) {
    for (const call of wrong) {
      expect(call).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
      expect(call).toThrow(says);
      expect(call).toThrow('accepted: ');
    }
  }
});
