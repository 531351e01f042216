import { expect, it } from 'vitest';
import { ConfigEditor, type ConfigProposal, type ConfigRollout } from '../../src/config/index.js';
import { MemoryServer } from '../../src/memory/index.js';
import { Client } from '../../src/session/index.js';
import { documents, editorOf, flags, limits, name, why } from './scene.js';

interface Scene {
  readonly editor: ConfigEditor;
  readonly proposal: ConfigProposal;
  readonly rollout: ConfigRollout;
}

const edit = limits.set({ perSecond: 1 });
const rule = { percent: 1 };

type Call = (scene: Scene, wrong: never) => unknown;

/** Each with its options wrong, as JavaScript may have them. */
const byOptions: Readonly<Record<string, Call>> = {
  change: ({ editor }, options) => editor.change(edit, options),
  rollback: ({ editor }, options) => editor.rollback(limits, 0, options),
  rollbackTo: ({ editor }, options) => editor.rollbackTo({ numbers: new Map([['limits', 0]]) }, options),
  setPolicy: ({ editor }, options) => editor.setPolicy(limits, { keep: 20 }, options),
  start: ({ editor }, options) => editor.rollouts.start(edit, rule, options),
  grow: ({ editor, rollout }, options) => editor.rollouts.grow(rollout, rule, options),
  promote: ({ editor, rollout }, options) => editor.rollouts.promote(rollout, options),
  abort: ({ editor, rollout }, options) => editor.rollouts.abort(rollout, options),
  propose: ({ editor }, options) => editor.reviews.propose(edit, options),
  approve: ({ editor, proposal }, options) => editor.reviews.approve(proposal, options),
  reject: ({ editor, proposal }, options) => editor.reviews.reject(proposal, options),
  publish: ({ editor, proposal }, options) => editor.reviews.publish(proposal, options),
};

/** Those that need no reason. */
const byWait: Readonly<Record<string, Call>> = {
  read: ({ editor }, options) => editor.read(limits, options),
  editsTo: ({ editor }, options) => editor.editsTo(limits, 0, options),
  diff: ({ editor }, options) => editor.diff(limits, 0, options),
  history: ({ editor }, options) => editor.history(limits, options).next(),
  of: ({ editor }, options) => editor.rollouts.of(limits, options),
  list: ({ editor }, options) => editor.reviews.list(options),
  withdraw: ({ editor, proposal }, options) => editor.reviews.withdraw(proposal, options),
};

const waits: readonly unknown[] = [null, 5, 'soon', { timeoutMs: -1 }, { timeoutMs: '5' }, { signal: {} }];
const reasons: readonly unknown[] = [
  ...[undefined, {}, { reason: null }, { reason: 5 }, { reason: ' ' }, { reason: 'x'.repeat(1_025) }],
  ...[null, '', 5, 'x'.repeat(129), 'a\nb'].map((changeId) => ({ ...why, changeId })),
];
const things: readonly unknown[] = [undefined, null, 5, 'x', {}, [], { id: 'x' }];
const rules: readonly unknown[] = [
  ...[undefined, null, 5, {}, { percent: '5' }, { percent: Number.NaN }, { percent: 101 }, { labels: [] }],
  ...[{ labels: { a: 1 } }, { labels: null }, { instances: 'web' }, { addresses: [5] }, { instances: null }],
];

const proposals = (seen: ConfigProposal): readonly unknown[] => [
  ...things,
  ...[null, [], [null], [{}], 5].map((layers) => ({ ...seen, layers })),
  ...[
    { ...seen, revision: '5' },
    { ...seen, author: 5 },
    { ...seen, id: null },
    { ...seen, author: 'a\ud800' },
    { ...seen, id: '\udc00' },
  ],
];

const rollouts = (seen: ConfigRollout): readonly unknown[] => [
  ...things,
  ...[null, [], ['other'], [null], 5].map((documents) => ({ ...seen, documents })),
  ...[undefined, null, {}, { ...seen.rule, labels: [null] }, { ...seen.rule, percent: 'x' }].map((one) => ({
    ...{ ...seen, rule: one },
  })),
  { ...seen, revision: Number.NaN },
];

const others: readonly [string, (scene: Scene) => readonly unknown[], Call][] = [
  ['a document to read', () => things, ({ editor }, wrong) => editor.read(wrong)],
  ['a document to roll back', () => things, ({ editor }, wrong) => editor.rollback(wrong, 0, why)],
  ['a document of edits', () => things, ({ editor }, wrong) => editor.editsTo(wrong, 0)],
  ['a document to compare', () => things, ({ editor }, wrong) => editor.diff(wrong, 0)],
  ['a document with a history', () => things, ({ editor }, wrong) => editor.history(wrong)],
  ['a document with a policy', () => things, ({ editor }, wrong) => editor.setPolicy(wrong, {}, why)],
  ['a document with a rollout', () => things, ({ editor }, wrong) => editor.rollouts.of(wrong)],
  ['edits', () => [...things, [null], [5], [edit, edit]], ({ editor }, wrong) => editor.change(wrong, why)],
  ['edits to roll out', () => things, ({ editor }, wrong) => editor.rollouts.start(wrong, rule, why)],
  ['edits to propose', () => things, ({ editor }, wrong) => editor.reviews.propose(wrong, why)],
  ['a number', () => [null, '1', -1, 1.5, {}], ({ editor }, wrong) => editor.rollback(limits, wrong, why)],
  [
    'a number of edits',
    () => [undefined, null, '1', -1, 1.5],
    ({ editor }, at) => editor.editsTo(limits, at),
  ],
  ['a number from', () => [null, '1', -1, 1.5], ({ editor }, wrong) => editor.diff(limits, wrong)],
  ['a number to', () => [null, '1', -1, 1.5], ({ editor }, to) => editor.diff(limits, 0, { to })],
  [
    'a limit',
    () => [null, '1', 0, -1, 1.5, Number.NaN],
    ({ editor }, limit) => editor.history(limits, { limit }),
  ],
  ['a change', () => [...things, { numbers: [] }], ({ editor }, wrong) => editor.rollbackTo(wrong, why)],
  [
    'a policy',
    () => [undefined, null, 5, { keep: null }, { keep: '20' }, { approvals: 1.5 }, { approvals: 17 }],
    ({ editor }, wrong) => editor.setPolicy(limits, wrong, why),
  ],
  ['a rule', () => rules, ({ editor }, wrong) => editor.rollouts.start(edit, wrong, why)],
  ['a rule to grow', () => rules, ({ editor, rollout }, wrong) => editor.rollouts.grow(rollout, wrong, why)],
  [
    'a rule to publish by',
    () => rules.slice(1),
    ({ editor, proposal }, wrong) => editor.reviews.publish(proposal, { ...why, rule: wrong }),
  ],
  [
    'a rollout to grow',
    ({ rollout }) => rollouts(rollout),
    ({ editor }, wrong) => editor.rollouts.grow(wrong, rule, why),
  ],
  [
    'a rollout to promote',
    ({ rollout }) => rollouts(rollout),
    ({ editor }, wrong) => editor.rollouts.promote(wrong, why),
  ],
  [
    'a rollout to abort',
    ({ rollout }) => rollouts(rollout),
    ({ editor }, wrong) => editor.rollouts.abort(wrong, why),
  ],
  [
    'a proposal to approve',
    ({ proposal }) => proposals(proposal),
    ({ editor }, wrong) => editor.reviews.approve(wrong, why),
  ],
  [
    'a proposal to reject',
    ({ proposal }) => proposals(proposal),
    ({ editor }, wrong) => editor.reviews.reject(wrong, why),
  ],
  [
    'a proposal to withdraw',
    ({ proposal }) => proposals(proposal),
    ({ editor }, wrong) => editor.reviews.withdraw(wrong, { force: true }),
  ],
  [
    'a proposal to publish',
    ({ proposal }) => [...proposals(proposal), { ...proposal, layers: [{ document: 'motd' }] }],
    ({ editor }, wrong) => editor.reviews.publish(wrong, why),
  ],
  [
    'a force',
    () => [null, 1, 'yes'],
    ({ editor, proposal }, force) => editor.reviews.withdraw(proposal, { force }),
  ],
];

const table: readonly [string, (scene: Scene) => readonly unknown[], Call][] = [
  ...Object.entries(byOptions).map(([name, call]) => {
    const wrong = [...waits, ...waits.slice(3).map((wait) => ({ ...why, ...(wait as object) })), ...reasons];
    return [`the options of ${name}`, () => wrong, call] as const;
  }),
  ...Object.entries(byWait).map(([name, call]) => [`the options of ${name}`, () => waits, call] as const),
  ...others,
].map(([what, wrong, call]) => [what, wrong, call]);

it.each(table)('CONFIG-6 refuses %s, whatever that is, and does nothing', async (_what, wrong, call) => {
  const client = await Client.open({ store: new MemoryServer().connect(), closeStore: true });
  const editor = editorOf(client);
  const proposal = await editorOf(client, 'bob').reviews.propose(flags.set({ a: true }), why);
  const rollout = await editor.rollouts.start(edit, rule, why);
  const before = await client.store.range({ key: '\0', rangeEnd: '\0' });
  for (const one of wrong({ editor, proposal, rollout })) {
    const called = (async () => call({ editor, proposal, rollout }, one as never))();
    await expect(called, String(JSON.stringify(one))).rejects.toMatchObject({
      ...{ code: 'invalid-argument', outcome: 'not-applied' },
      message: expect.stringContaining('accepted: '),
    });
  }
  expect(await client.store.range({ key: '\0', rangeEnd: '\0' })).toEqual(before);
  await client.close();
});

it('an editor of what is no client is refused when it is made', async () => {
  const client = await Client.open({ store: new MemoryServer().connect(), closeStore: true });
  const { keys, runtime, store } = client;
  const readsOnly = { range: store.range, watch: store.watch };
  for (const wrong of [
    ...[undefined, null, 5, 'x', {}, [], () => {}, { keys }, { keys, runtime }],
    ...[
      { keys, runtime, store: {} },
      { keys, runtime, store: readsOnly },
    ],
  ]) {
    const made = () => new ConfigEditor(wrong as never, name, { documents, author: 'ada' });
    expect(made).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
    expect(made).toThrow('accepted: a Client');
  }
  await client.close();
});
