import { expect, it } from 'vitest';
import type { ConfigEdit } from '../../src/config/index.js';
import { ConfigKeys } from '../../src/config/keys.js';
import { encodeVote } from '../../src/config/records/review.js';
import { isQuorateError } from '../../src/errors.js';
import { put, txnOf } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { describeStores } from '../support/stores.js';
import { editorOf, flags, motd, name, why } from './scene.js';

const tooLarge = { code: 'request-too-large', outcome: 'not-applied' };
const tooMany = { code: 'too-many-operations', outcome: 'not-applied' };

/** As long as they may be, and as much as they can be in a key. */
const long = (bytes: number, index = 0) =>
  '\u{1f600}'.repeat(bytes / 4 - 1) + String.fromCodePoint(0x1f600 + index);
const longAuthor = long(256);
const longCall = (index = 0) => ({ reason: long(1_024), changeId: long(128, index) });

/** The most that is accepted, up to `to`: what is refused is refused for its size. */
async function most(from: number, to: number, accepts: (count: number) => Promise<void>): Promise<number> {
  let [accepted, refused] = [from, to];
  while (refused - accepted > 1) {
    const tried = Math.floor((accepted + refused) / 2);
    try {
      await accepts(tried);
      accepted = tried;
    } catch (error) {
      const isSize =
        isQuorateError(error, 'request-too-large') || isQuorateError(error, 'too-many-operations');
      if (!isSize) throw error;
      refused = tried;
    }
  }
  return accepted;
}

describeStores('what is begun in a configuration can be finished', (server) => {
  it('a rollout of the largest content that is accepted is promoted, whatever was done beside it', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const [editor, other] = [editorOf(client), editorOf(client, longAuthor)];
    await editor.change(motd.set('x'.repeat(300_000)), why);
    const start = (bytes: number) => editor.rollouts.start(motd.set('y'.repeat(bytes)), { percent: 1 }, why);
    const bytes = await most(1, 700_000, async (tried) => {
      await editor.rollouts.abort(await start(tried), why);
    });
    expect(bytes).toBeGreaterThan(250_000);
    await expect(start(bytes + 1)).rejects.toMatchObject({
      ...tooLarge,
      message: expect.stringMatching(/promoting this rollout would take \d+ bytes .* accepted: up to \d+/),
      details: { bytes: expect.any(Number), maxRequestBytes: expect.any(Number) },
    });
    expect(await editor.rollouts.of(motd)).toBeUndefined();
    const rollout = await start(bytes);
    for (let index = 0; index < 16; index += 1) {
      await other.change(motd.overlay('eu', `${index}`), longCall(index));
    }
    await expect(
      editor.rollouts.grow(rollout, { instances: ['z'.repeat(30_000)] }, why),
    ).rejects.toMatchObject(tooLarge);
    await other.rollouts.promote(rollout, longCall(20));
    const [base] = (await editor.read(motd)).layers;
    expect(base?.content).toHaveLength(bytes);
  });

  it('a proposal of the largest content that is accepted is published, with votes of all the world', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const keys = new ConfigKeys(client.keys.prefix('config', name));
    const [editor, other] = [editorOf(client), editorOf(client, longAuthor)];
    await editor.setPolicy(motd, { approvals: 16 }, why);
    const propose = (bytes: number) => other.reviews.propose(motd.set('y'.repeat(bytes)), longCall(30));
    const bytes = await most(1, 1_000_000, async (tried) => {
      await other.reviews.withdraw(await propose(tried));
    });
    expect(bytes).toBeGreaterThan(600_000);
    await expect(propose(bytes + 1)).rejects.toMatchObject({
      ...tooLarge,
      message: expect.stringMatching(/publishing this would take \d+ bytes .* accepted: up to \d+/),
    });
    const proposal = await propose(bytes);
    const forged = Array.from({ length: 130 }, (_none, index) => {
      const vote = {
        ...{ atMs: 1, reason: why.reason },
        verdict: 'approve',
        revision: proposal.revision,
      } as const;
      return put(keys.vote(`z${index}`, proposal), encodeVote(vote));
    });
    await client.store.txn(txnOf({ success: forged.slice(0, 65) }));
    await client.store.txn(txnOf({ success: forged.slice(65) }));
    for (let index = 1; index <= 16; index += 1) {
      const vote = { atMs: 1, reason: long(1_024), verdict: 'approve', revision: proposal.revision } as const;
      const cast = put(keys.vote(long(256, index), proposal), encodeVote(vote));
      await client.store.txn(txnOf({ success: [cast] }));
    }
    await editorOf(client, long(256, 40)).reviews.publish(proposal, longCall(31));
    const [base] = (await editor.read(motd)).layers;
    expect(base?.content).toHaveLength(bytes);
    // The rest of the votes go with the publications that follow.
    await editor.setPolicy(motd, { approvals: 0 }, why);
    for (let index = 0; index < 5; index += 1) {
      await editor.reviews.publish(await editor.reviews.propose(motd.set(`${index}`), why), why);
    }
    expect((await client.store.range({ key: keys.reviews, rangeEnd: `${keys.prefix}review0` })).count).toBe(
      0,
    );
  });

  it('neither is begun with more layers than can be written at a time', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const [ada, bob] = [editorOf(client, 'ada'), editorOf(client, 'bob')];
    const layers = (count: number): readonly ConfigEdit[] =>
      Array.from({ length: count }, (_none, index) => flags.overlay(`z${index}`, { [`f${index}`]: true }));
    const proposed = await most(1, 200, async (count) => {
      await ada.reviews.withdraw(await ada.reviews.propose(layers(count), why));
    });
    expect(proposed).toBeGreaterThan(90);
    await expect(ada.reviews.propose(layers(proposed + 1), why)).rejects.toMatchObject({
      ...tooMany,
      message: expect.stringMatching(/publishing this would take \d+ operations .* accepted: up to \d+/),
    });
    await ada.setPolicy(flags, { approvals: 1 }, why);
    const proposal = await ada.reviews.propose(layers(proposed), why);
    await bob.reviews.approve(proposal, why);
    await ada.reviews.publish(proposal, why);
    expect((await ada.read(flags)).layers).toHaveLength(proposed);
    await ada.setPolicy(flags, { approvals: 0 }, why);
    const rolled = await most(1, 200, async (count) => {
      await ada.rollouts.abort(await ada.rollouts.start(layers(count), { percent: 1 }, why), why);
    });
    expect(rolled).toBeGreaterThan(90);
    await ada.rollouts.promote(await ada.rollouts.start(layers(rolled), { percent: 1 }, why), why);
    await expect(ada.rollouts.start(layers(rolled + 1), { percent: 1 }, why)).rejects.toMatchObject(tooMany);
  });

  it('a proposal takes 64 votes and a rejection more, and a vote clears away those on what is gone', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const keys = new ConfigKeys(client.keys.prefix('config', name));
    const ada = editorOf(client, 'ada');
    const gone = await ada.reviews.propose(flags.set({ gone: true }), why);
    const proposal = await ada.reviews.propose(flags.set({ a: true }), why);
    const voters = Array.from({ length: 64 }, (_none, index) => editorOf(client, `voter ${index}`));
    await voters[0]?.reviews.approve(gone, why);
    await ada.reviews.withdraw(gone);
    await Promise.all(voters.slice(0, 32).map((voter) => voter.reviews.approve(proposal, why)));
    await Promise.all(voters.slice(32).map((voter) => voter.reviews.approve(proposal, why)));
    expect((await client.store.range({ key: keys.vote('voter 0', gone) })).count).toBe(0);
    const late = editorOf(client, 'late');
    await expect(late.reviews.approve(proposal, why)).rejects.toMatchObject({
      ...{ code: 'over-limit', outcome: 'not-applied', details: { votes: 64, limit: 64 } },
      message: expect.stringContaining('accepted: up to 64'),
    });
    // Whoever has voted may vote again.
    await voters[5]?.reviews.approve(proposal, why);
    await late.reviews.reject(proposal, why);
    await expect(ada.reviews.publish(proposal, why)).rejects.toMatchObject({ code: 'review-required' });
  });
});
