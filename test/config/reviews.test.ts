import { expect, it } from 'vitest';
import type { ConfigProposal } from '../../src/config/index.js';
import { ConfigKeys } from '../../src/config/keys.js';
import { encodeProposal, encodeVote } from '../../src/config/records/review.js';
import { approvalsOf } from '../../src/config/review/proposals.js';
import type { Client } from '../../src/session/index.js';
import { bytesOf, put, remove, type Store, textOf, txnOf } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { storeWith } from '../support/store-with.js';
import { describeStores } from '../support/stores.js';
import { editorOf, flags, limits, name, openConfig, why } from './scene.js';

const required = { code: 'review-required', outcome: 'not-applied' };
const conflict = { code: 'conflict', outcome: 'not-applied' };

describeStores('reviews of a configuration', (server) => {
  it('CONFIG-7 is published once another author has approved it, and its history says so', async () => {
    const clients = testClients(server);
    const [ada, bob] = [editorOf(await clients.open(), 'ada'), editorOf(await clients.open(), 'bob')];
    await ada.change(limits.set({ perSecond: 1 }), why);
    await ada.setPolicy(limits, { approvals: 1 }, { reason: 'they are dear' });
    await expect(ada.change(limits.set({ perSecond: 2 }), why)).rejects.toMatchObject(required);
    await expect(ada.rollback(limits, 0, why)).rejects.toMatchObject(required);
    await expect(ada.rollouts.start(limits.set({ perSecond: 2 }), { percent: 1 }, why)).rejects.toMatchObject(
      required,
    );
    // Together with a document that asks for none.
    const edits = [limits.set({ perSecond: 2 }), flags.set({ fast: true })];
    await expect(ada.change(edits, why)).rejects.toMatchObject(required);
    const proposal = await ada.reviews.propose(edits, { reason: 'we can take more' });
    await expect(ada.reviews.publish(proposal, why)).rejects.toMatchObject(required);
    await expect(ada.reviews.approve(proposal, why)).rejects.toMatchObject({ code: 'invalid-argument' });
    const [listed] = await bob.reviews.list();
    expect(listed).toEqual(proposal);
    await bob.reviews.approve(proposal, { reason: 'measured it' });
    expect(await bob.reviews.list()).toMatchObject([
      { id: proposal.id, votes: [{ author: 'bob', verdict: 'approve' }] },
    ]);
    const { revision } = await ada.reviews.publish(proposal, { reason: 'at night' });
    expect(await ada.reviews.list()).toEqual([]);
    expect((await ada.read(flags)).layers).toMatchObject([{ content: { fast: true }, revision }]);
    for await (const entry of ada.history(limits, { limit: 1 })) {
      expect(entry).toMatchObject({
        ...{ action: 'change', author: 'ada', reason: 'at night', documents: ['limits', 'flags'] },
        proposal: {
          ...{ id: proposal.id, author: 'ada', reason: 'we can take more' },
          approvals: [{ author: 'bob', reason: 'measured it' }],
        },
      });
    }
    await expect(ada.reviews.publish(proposal, why)).rejects.toMatchObject(conflict);
    const again = await ada.reviews
      .publish(proposal, { ...why, changeId: 'no such' })
      .catch(({ code }) => code);
    expect(again).toBe('conflict');
  });

  it('CONFIG-7 a forged approval, one of the author’s, of another proposal, or one taken back, is none', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const [ada, bob, eve] = [editorOf(client, 'ada'), editorOf(client, 'bob'), editorOf(client, 'eve')];
    await ada.setPolicy(limits, { approvals: 2 }, why);
    const proposal = await ada.reviews.propose(limits.set({ perSecond: 2 }), why);
    const keys = new ConfigKeys(client.keys.prefix('config', name));
    const forge = (author: string, revision: number) =>
      client.store.txn(
        txnOf({
          success: [
            put(
              keys.vote(author, proposal),
              encodeVote({ atMs: 1, reason: '', verdict: 'approve', revision }),
            ),
          ],
        }),
      );
    await forge('ada', proposal.revision);
    await forge('eve', proposal.revision - 1);
    await bob.reviews.approve(proposal, why);
    await expect(bob.reviews.publish(proposal, why)).rejects.toMatchObject({
      ...required,
      details: { approved: 1, approvals: 2 },
    });
    await eve.reviews.reject(proposal, { reason: 'too much' });
    await ada.setPolicy(limits, { approvals: 1 }, why);
    await expect(bob.reviews.publish(proposal, why)).rejects.toMatchObject({
      ...required,
      details: { rejectedBy: 'eve' },
    });
    await eve.reviews.approve(proposal, why);
    await bob.reviews.reject(proposal, why);
    await expect(eve.reviews.publish(proposal, why)).rejects.toMatchObject({
      ...required,
      details: { rejectedBy: 'bob' },
    });
    await bob.reviews.approve(proposal, why);
    await eve.reviews.publish(proposal, why);
    expect((await ada.read(limits)).layers).toMatchObject([{ content: { perSecond: 2 } }]);
  });

  it('CONFIG-7 a vote on a proposal leaves those alone that stand on another author’s of the same id', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const [ada, bob, eve, dan] = [
      ...[editorOf(client, 'ada'), editorOf(client, 'bob')],
      ...[editorOf(client, 'eve'), editorOf(client, 'dan')],
    ] as const;
    await ada.setPolicy(limits, { approvals: 1 }, why);
    const ticket = { ...why, changeId: 'OPS-7' };
    const first = await ada.reviews.propose(limits.set({ perSecond: 2 }), ticket);
    const second = await bob.reviews.propose(flags.set({ fast: true }), ticket);
    await dan.reviews.approve(first, why);
    await eve.reviews.reject(first, { reason: 'too much' });
    await eve.reviews.approve(second, why);
    expect(await ada.reviews.list()).toMatchObject([
      {
        author: 'ada',
        votes: [
          { author: 'dan', verdict: 'approve' },
          { author: 'eve', verdict: 'reject' },
        ],
      },
      { author: 'bob', votes: [{ author: 'eve', verdict: 'approve' }] },
    ]);
    await expect(ada.reviews.publish(first, why)).rejects.toMatchObject({
      ...required,
      details: { rejectedBy: 'eve' },
    });
    await bob.reviews.publish(second, why);
    await expect(ada.reviews.publish(first, why)).rejects.toMatchObject(required);
  });

  it('CONFIG-7 a proposal under a key that is spelled in another way is none, and never published for one that was approved', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const keys = new ConfigKeys(client.keys.prefix('config', name));
    const [ada, bob] = [editorOf(client, 'ada'), editorOf(client, 'bob')];
    await ada.setPolicy(limits, { approvals: 1 }, why);
    await ada.reviews.propose(limits.set({ perSecond: 2 }), { ...why, changeId: 'x' });
    const [standing] = (await client.store.range({ key: keys.proposal('ada', 'x') })).kvs;
    const text = textOf(standing?.value ?? bytesOf(''));
    const { revision } = await client.store.txn(
      txnOf({
        success: [
          put(keys.proposal('ada', 'x'), text),
          put(`${keys.reviewsOf('ada')}proposal/%78`, text.replace(/(perSecond\D*)2/, '$19')),
        ],
      }),
    );
    const listed = await bob.reviews.list();
    expect(listed).toMatchObject([{ author: 'ada', id: 'x', revision }]);
    await bob.reviews.approve(listed[0] as ConfigProposal, why);
    await bob.reviews.publish(listed[0] as ConfigProposal, why);
    expect((await bob.read(limits)).layers).toMatchObject([{ content: { perSecond: 2 } }]);
  });

  it('CONFIG-7 one who approves counts once, however his vote is spelled', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const keys = new ConfigKeys(client.keys.prefix('config', name));
    const [ada, bob, eve] = [editorOf(client, 'ada'), editorOf(client, 'bob'), editorOf(client, 'eve')];
    await ada.setPolicy(limits, { approvals: 2 }, why);
    const proposal = await ada.reviews.propose(limits.set({ perSecond: 2 }), { ...why, changeId: 'x' });
    const { revision: about } = proposal;
    const approval = encodeVote({ atMs: 1, reason: '', verdict: 'approve', revision: about });
    const spelled = ['ada/x', 'ada/%78', '%61da/x'].map((path) => `${keys.reviewsOf('bob')}vote/${path}`);
    await client.store.txn(txnOf({ success: spelled.map((key) => put(key, approval)) }));
    expect((await bob.reviews.list())[0]?.votes).toMatchObject([{ author: 'bob', verdict: 'approve' }]);
    await expect(bob.reviews.publish(proposal, why)).rejects.toMatchObject({
      ...required,
      details: { approved: 1, approvals: 2 },
    });
    await eve.reviews.approve(proposal, why);
    // Nor does what only looks like a vote hinder the publication: it is of another revision by now.
    await client.store.txn(txnOf({ success: spelled.slice(1).map((key) => put(key, approval)) }));
    await bob.reviews.publish(proposal, why);
    const vote = { atMs: 1, reason: '', verdict: 'approve' as const, revision: 1 };
    const votes = ['bob', 'eve', 'bob'].map((author) => ({ ...vote, author }));
    expect(approvalsOf({ votes }).map(({ author }) => author)).toEqual(['bob', 'eve']);
  });

  it('CONFIG-7 what was approved is published in the place of what it was made from, or not at all', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const [ada, bob] = [editorOf(client, 'ada'), editorOf(client, 'bob')];
    await ada.change(limits.set({ perSecond: 1 }), why);
    const proposal = await ada.reviews.propose(limits.set({ perSecond: 2 }), { ...why, changeId: 'p1' });
    expect(await ada.reviews.propose(limits.set({ perSecond: 2 }), { ...why, changeId: 'p1' })).toEqual(
      proposal,
    );
    await bob.reviews.approve(proposal, why);
    await bob.change(limits.set({ perSecond: 5 }), why);
    await expect(ada.reviews.publish(proposal, why)).rejects.toMatchObject(conflict);
    await ada.reviews.withdraw(proposal);
    await expect(bob.reviews.approve(proposal, why)).rejects.toMatchObject(conflict);
    await expect(ada.reviews.withdraw(proposal)).rejects.toMatchObject(conflict);
    const other = await ada.reviews.propose(limits.set({ perSecond: 3 }), why);
    await ada.reviews.publish(other, why);
    // The vote on what was withdrawn went with it.
    const keys = new ConfigKeys(client.keys.prefix('config', name));
    expect((await client.store.range({ key: keys.vote('bob', proposal) })).count).toBe(0);
    await expect(ada.reviews.propose(limits.set({} as never), why)).rejects.toMatchObject({
      code: 'invalid-argument',
    });
  });

  it('CONFIG-7 is rolled out once it is approved, and no rollout that nobody approved is promoted or grown', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const [ada, bob] = [editorOf(client, 'ada'), editorOf(client, 'bob')];
    await ada.change(limits.set({ perSecond: 1 }), why);
    const early = await ada.rollouts.start(limits.set({ perSecond: 9 }), { percent: 1 }, why);
    await bob.setPolicy(limits, { approvals: 1 }, why);
    await expect(ada.rollouts.promote(early, why)).rejects.toMatchObject(required);
    await expect(ada.rollouts.grow(early, { percent: 2 }, why)).rejects.toMatchObject(required);
    await ada.rollouts.abort(early, why);
    const proposal = await ada.reviews.propose(limits.set({ perSecond: 2 }), why);
    const rule = { instances: ['me'] };
    await expect(ada.reviews.publish(proposal, { ...why, rule })).rejects.toMatchObject(required);
    await bob.reviews.approve(proposal, why);
    await ada.reviews.publish(proposal, { ...why, rule });
    const [mine, other] = [
      await openConfig(client, { instance: { id: 'me' } }),
      await openConfig(client, { instance: { id: 'other' } }),
    ];
    expect([mine.get(limits), other.get(limits)]).toEqual([{ perSecond: 2 }, { perSecond: 1 }]);
    const rollout = await ada.rollouts.of(limits);
    if (rollout === undefined) throw new Error('there is no rollout');
    await ada.rollouts.promote(await ada.rollouts.grow(rollout, { percent: 50 }, why), why);
    await other.sync();
    expect(other.get(limits)).toEqual({ perSecond: 2 });
    for await (const entry of ada.history(limits, { limit: 1 })) {
      expect(entry).toMatchObject({ action: 'promote', proposal: { approvals: [{ author: 'bob' }] } });
    }
  });

  it('CONFIG-7 is withdrawn by its author; whoever else does so says that it is meant', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const [ada, bob] = [editorOf(client, 'ada'), editorOf(client, 'bob')];
    const proposal = await ada.reviews.propose(limits.set({ perSecond: 2 }), why);
    const wrong = { code: 'invalid-argument', outcome: 'not-applied' };
    for (const options of [undefined, {}, { force: false }]) {
      await expect(bob.reviews.withdraw(proposal, options)).rejects.toMatchObject({
        ...wrong,
        message: expect.stringContaining('reject() is for those of others'),
      });
    }
    await bob.reviews.reject(proposal, { reason: 'too much' });
    expect(await ada.reviews.list()).toMatchObject([
      { id: proposal.id, votes: [{ author: 'bob', verdict: 'reject', reason: 'too much' }] },
    ]);
    await bob.reviews.withdraw(proposal, { force: true });
    expect(await ada.reviews.list()).toEqual([]);
    await ada.reviews.withdraw(await ada.reviews.propose(limits.set({ perSecond: 2 }), why), { force: true });
  });

  it('CONFIG-7 a proposal that cannot be read is published by nobody, and says so', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const [ada, bob] = [editorOf(client, 'ada'), editorOf(client, 'bob')];
    const keys = new ConfigKeys(client.keys.prefix('config', name));
    const id = { ...why, changeId: 'p' };
    const proposal = await ada.reviews.propose(limits.set({ perSecond: 2 }), id);
    await bob.reviews.approve(proposal, why);
    const layer = { document: 'limits', scope: '', base: 0, content: { text: '{"perSecond":3}' } };
    const codec = { code: 'codec', outcome: 'not-applied' };
    for (const stored of [
      ...['', 'null', '[]', '{}', { ...why, atMs: 1 }, { ...why, atMs: 1, layers: {} }],
      ...[[], [null], [layer, layer], [{ ...layer, scope: 'a//b' }], [{ ...layer, scope: 5 }]].map(
        (layers) => ({ ...why, atMs: 1, layers }),
      ),
      ...[{ document: null }, { base: '0' }, { content: 5 }].map((wrong) => ({
        ...{ ...why, atMs: 1, layers: [{ ...layer, ...wrong }] },
      })),
    ]) {
      const text = typeof stored === 'string' ? stored : JSON.stringify(stored);
      const { revision } = await client.store.txn(
        txnOf({ success: [put(keys.proposal('ada', 'p'), bytesOf(text))] }),
      );
      expect(await ada.reviews.list(), text).toEqual([]);
      const seen = { ...proposal, revision };
      await expect(ada.reviews.publish(seen, why), text).rejects.toMatchObject(codec);
      await expect(ada.reviews.propose(limits.set({ perSecond: 2 }), id), text).rejects.toMatchObject(codec);
    }
    // What can be read is held against the documents that whoever publishes has seen.
    const other = encodeProposal({
      ...{ atMs: 1, reason: '' },
      layers: [{ document: 'other', scope: '', base: 0, content: bytesOf('1') }],
    });
    const { revision } = await client.store.txn(txnOf({ success: [put(keys.proposal('ada', 'p'), other)] }));
    await expect(ada.reviews.publish({ ...proposal, revision }, why)).rejects.toMatchObject({
      code: 'invalid-argument',
    });
    const [listed] = await ada.reviews.list();
    await expect(ada.reviews.publish(listed as ConfigProposal, why)).rejects.toMatchObject({
      code: 'invalid-argument',
    });
    expect((await ada.read(limits)).layers).toEqual([]);
    // Its author can take it away, once its revision is known.
    await ada.reviews.withdraw({ ...proposal, revision });
  });

  it('CONFIG-7 an approval that is taken away while it is published does not count', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const keys = new ConfigKeys(client.keys.prefix('config', name));
    const [ada, bob] = [editorOf(client, 'ada'), editorOf(client, 'bob')];
    await ada.setPolicy(limits, { approvals: 1 }, why);
    const proposal = await ada.reviews.propose(limits.set({ perSecond: 2 }), why);
    await bob.reviews.approve(proposal, why);
    let writes = 0;
    const store = storeWith(client.store as Store, {
      txn: async (request, options) => {
        const isPublication = request.success.some(({ type }) => type === 'put');
        if (isPublication) writes += 1;
        if (isPublication && writes === 1) {
          await client.store.txn(txnOf({ success: [remove(keys.vote('bob', proposal))] }));
        }
        return client.store.txn(request, options);
      },
    });
    const publisher = editorOf(Object.create(client, { store: { value: store } }) as Client, 'eve');
    await expect(publisher.reviews.publish(proposal, why)).rejects.toMatchObject(required);
    expect(writes).toBe(1);
    expect((await ada.read(limits)).layers).toEqual([]);
  });

  it('CONFIG-6 what was published while it was proposed again is not proposed again', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const id = { ...why, changeId: 'p' };
    const ada = editorOf(client, 'ada');
    let writes = 0;
    const store = storeWith(client.store as Store, {
      txn: async (request, options) => {
        if (request.success.some(({ type }) => type === 'put')) {
          writes += 1;
          if (writes === 1) {
            const first = await ada.reviews.propose(limits.set({ perSecond: 2 }), id);
            await ada.reviews.publish(first, why);
          }
        }
        return client.store.txn(request, options);
      },
    });
    const late = editorOf(Object.create(client, { store: { value: store } }) as Client, 'ada');
    await expect(late.reviews.propose(limits.set({ perSecond: 2 }), id)).rejects.toMatchObject(conflict);
    expect(await ada.reviews.list()).toEqual([]);
  });
});
