/** Bugs of configurations that many read, and that are changed for some first. */
import type { Mutant } from './mutant.js';

const config = 'src/config/config.ts';
const publisher = 'src/config/reading/publisher.ts';
const rule = 'src/config/rollout/rule.ts';
const rollouts = 'src/config/editing/rollouts.ts';
const request = 'src/config/editing/request.ts';
const commit = 'src/config/editing/commit-change.ts';
const publication = 'src/config/review/publication.ts';
const killedBy = 'config';

export const configMutants: readonly Mutant[] = [
  {
    name: 'config-key-by-key',
    file: config,
    find: 'this.#mirror.onBatch((batch) => this.#publisher.apply(batch));',
    replace: `this.#mirror.onBatch((batch) => {
      for (const change of batch.changes) this.#publisher.apply({ ...batch, changes: [change] });
    });`,
    story: 'a watcher that applies event by event: readers see half of an atomic change',
    ...{ killedBy, invariant: 'CONFIG-1, CONFIG-4' },
  },
  {
    name: 'config-without-the-one-that-fails',
    file: publisher,
    find: `      this.#tell(problem);
      return;`,
    replace: `      this.#tell(problem);
      if (this.#current === undefined) return;`,
    story: 'a document that fails its schema stays as it was, and those that were changed to fit it do not',
    ...{ killedBy, invariant: 'CONFIG-1, CONFIG-4' },
  },
  {
    name: 'config-schema-asked-by-writers-only',
    file: 'src/config/reading/made.ts',
    find: 'const value = document.decode(known.content);',
    replace: 'const value: unknown = JSON.parse(Buffer.from(known.content).toString());',
    story: 'what is in the store is taken to be right, since whoever put it there has looked',
    ...{ killedBy, invariant: 'CONFIG-3' },
  },
  {
    name: 'config-checked-as-they-come',
    file: publisher,
    find: 'if (!this.#isBusy) this.#publish();',
    replace: 'this.#publish();',
    story:
      'a schema that takes its time, once for each change: the older is done after the newer, and takes its place',
    ...{ killedBy, invariant: 'CONFIG-2, CONFIG-1, CONFIG-4, not live' },
  },
  {
    name: 'config-rollout-hides-overlays',
    file: 'src/config/reading/resolve.ts',
    find: 'content: document.contentFor(scope, layers),',
    replace: "content: document.contentFor(isTaken ? '' : scope, layers),",
    story: 'whoever takes a rollout is given what was rolled out, and not what his environment makes of it',
    ...{ killedBy, invariant: 'CONFIG-1' },
  },
  {
    name: 'config-overlays-of-others',
    file: 'src/config/scope.ts',
    find: "return [baseScope, ...names.map((_name, index) => names.slice(0, index + 1).join('/'))];",
    replace: 'return [baseScope, ...(names.length > 1 ? [scope] : names)];',
    story: 'a cluster is given the base and its own, without what its environment says',
    ...{ killedBy, invariant: 'CONFIG-1' },
  },
  {
    name: 'config-share-without-the-rollout',
    file: rule,
    find: 'shareOf(rolloutId, instance.id) < rule.percent / 100',
    replace: "shareOf('', instance.id) < rule.percent / 100",
    story: 'the hash is of the instance alone: the same ones are first every time',
    ...{ killedBy, invariant: 'CONFIG-4' },
  },
  {
    name: 'config-wrong-share',
    file: rule,
    find: '< rule.percent / 100) return true;',
    replace: '<= (100 - rule.percent) / 100) return true;',
    story: 'a rollout to the wrong share: to those who were to be spared',
    ...{ killedBy, invariant: 'CONFIG-4' },
  },
  {
    name: 'config-share-by-chance',
    file: rule,
    find: 'if (rule.percent > 0 && shareOf(rolloutId, instance.id) < rule.percent / 100) return true;',
    replace: `if (rule.percent > 0 && shareOf(\`\${rolloutId} \${rule.percent}\`, instance.id) < rule.percent / 100) return true;`,
    story: 'dice that are thrown again at each stage: who had it loses it',
    ...{ killedBy, invariant: 'CONFIG-4' },
  },
  {
    name: 'config-any-label',
    file: rule,
    find: 'Object.entries(asked).every(',
    replace:
      'Object.entries(asked).some(([name]) => Object.hasOwn(labels, name)) || Object.entries(asked).every(',
    story: 'whoever has the label takes it, whatever it says',
    ...{ killedBy, invariant: 'CONFIG-4' },
  },
  {
    name: 'config-grows-to-less',
    file: rule,
    find: 'percent: Math.max(rule.percent, percent),',
    replace: 'percent,',
    story: 'the newest stage in place of all: who took an earlier one loses it',
    ...{ killedBy, invariant: 'CONFIG-4' },
  },
  {
    name: 'config-promotes-what-is-there',
    file: rollouts,
    find: 'if (rollout?.id === seen.id && revisions.rollout === seen.revision) return whole(seen, rollout);',
    replace: 'if (rollout !== undefined) return rollout;',
    story: 'an unguarded promotion: of whatever is being rolled out by then',
    ...{ killedBy, invariant: 'CONFIG-5' },
  },
  {
    name: 'config-promotes-over-changes',
    file: rollouts,
    find: 'if (found !== base) throw changedUnderneath(name, scope, { base, found });',
    replace: '',
    story: 'a promotion brings back what was there before somebody mended it beside the rollout',
    ...{ killedBy, invariant: 'CONFIG-5' },
  },
  {
    name: 'config-promotes-one-by-one',
    file: rollouts,
    find: 'proposal ??= rollout.proposal;',
    replace: `proposal ??= rollout.proposal;
    if (name !== seen.documents[0]) return { name, layers: new Map(), rollout, told: { rollout: toldOf(rollout) } };`,
    story: 'half of an atomic change: a rollout of two documents is promoted of one, and then of the other',
    ...{ killedBy, invariant: 'CONFIG-5' },
  },
  {
    name: 'config-looks-then-writes',
    file: request,
    find: 'return withRoomFor({ compare: guards, success, failure: [] }, plan.ifRoom ?? []);',
    replace: 'return withRoomFor({ compare: [], success, failure: [] }, plan.ifRoom ?? []);',
    story: 'check, then act: a config service that reads, validates and puts; of two at a time one is lost',
    ...{ killedBy, invariant: 'CONFIG-8, CONFIG-6, CONFIG-5, CONFIG-7' },
  },
  {
    name: 'config-guards-layers-alone',
    file: request,
    find: `    compare.mod(keys.head(name), 'equal', revisions.head),
    compare.mod(keys.policy(name), 'equal', revisions.policy),
    compare.mod(keys.rollout(name), 'equal', revisions.rollout),
    compare.mod(prefixRange(keys.layers(name)), 'less', readAt + 1),
`,
    replace: '',
    story: 'each key is compared for itself: what was checked together is not written together',
    ...{ killedBy, invariant: 'CONFIG-8, CONFIG-3, CONFIG-5, CONFIG-7' },
  },
  {
    name: 'config-forgets-ids',
    file: commit,
    find: 'const before = await madeBefore(parts, read);',
    replace: 'const before = (await madeBefore(parts, read)) && undefined;',
    story:
      'an API without idempotency keys: the call that is made again after a lost reply is a second change',
    ...{ killedBy, invariant: 'CONFIG-6' },
  },
  {
    name: 'config-asks-about-the-base-alone',
    file: 'src/config/layering.ts',
    find: 'new Set([baseScope, ...layers.keys()])',
    replace: 'new Set([baseScope])',
    story: 'a base that passes its schema, and makes of every environment something that does not',
    ...{ killedBy, invariant: 'CONFIG-3' },
  },
  {
    name: 'config-keeps-one-too-many',
    file: request,
    find: 'const first = Math.max(head.first, number - keep + 1);',
    replace: 'const first = Math.max(head.first, number - keep);',
    story: 'a history that is cut to one more than was asked for',
    ...{ killedBy, invariant: 'CONFIG-8' },
  },
  {
    name: 'config-approved-by-its-author',
    file: 'src/config/review/proposals.ts',
    find: 'about === proposal.revision && vote.author !== proposal.author',
    replace: 'about === proposal.revision',
    story: 'four eyes that are two: who proposes approves',
    ...{ killedBy, invariant: 'CONFIG-7' },
  },
  {
    name: 'config-keys-by-what-they-decode-to',
    file: 'src/config/keys.ts',
    find: "split('/').map(nameOfSegment);\n    if (parts",
    replace: "split('/').map(decodeURIComponent);\n    if (parts",
    story:
      'a key is what it decodes to: beside the proposal that is approved stands another under its key spelled otherwise, and is published',
    ...{ killedBy, invariant: 'CONFIG-7' },
  },
  {
    name: 'config-published-without-a-look',
    file: 'src/config/review/publication.ts',
    find: 'if (approvals.length < state.policy.approvals) throw reviewRequired(state, approvals.length);',
    replace: '',
    story: 'the button is grey where nobody has approved, and the server behind it does not look',
    ...{ killedBy, invariant: 'CONFIG-7' },
  },
  {
    name: 'config-votes-by-id-alone',
    file: publication,
    find: 'const approvals = approvalsOf(proposal).slice(0, mostApprovals);',
    replace: `const named = proposals.filter(({ id }) => id === seen.id).flatMap(({ votes }) => votes);
  const approvals = approvalsOf({
    votes: named.map((vote) => (proposal.votes.includes(vote) ? vote : { ...vote, revision: 0 })),
  }).slice(0, mostApprovals);`,
    story: 'votes on a ticket number: what was said of another author’s proposal of that id counts too',
    ...{ killedBy, invariant: 'CONFIG-7' },
  },
  {
    name: 'config-votes-unguarded',
    file: publication,
    find: '      ...guards,\n',
    replace: '',
    story:
      'whoever approved takes it back between the look and the publication, and nothing newer stands there',
    ...{ killedBy, invariant: 'CONFIG-7' },
  },
  {
    name: 'config-one-approval-is-enough',
    file: publication,
    find: 'if (approvals.length < state.policy.approvals) throw',
    replace: 'if (approvals.length < Math.min(1, state.policy.approvals)) throw',
    story: 'two are asked for, and whether anybody has approved is looked at',
    ...{ killedBy, invariant: 'CONFIG-7' },
  },
  {
    name: 'config-ids-without-actions',
    file: 'src/config/editing/made-before.ts',
    find: 'if (made.action === asked.action && asked.is(made, document)) continue;',
    replace: 'if (made.number > 0) continue;',
    story:
      'an idempotency key that is not compared with what is asked for: the second stage is answered by the first',
    ...{ killedBy, invariant: 'CONFIG-6' },
  },
  {
    name: 'config-proposes-again',
    file: 'src/config/review/proposing.ts',
    find: 'assertNotPublished(read, { author, id });',
    replace: '',
    story: 'who lost the reply proposes again what has been published meanwhile, and so is that',
    ...{ killedBy, invariant: 'CONFIG-6' },
  },
  {
    name: 'config-fresh-by-what-is-there',
    file: config,
    find: 'this.#freshness = new Freshness(runtime, readStamp(store, keys.stamp));',
    replace: `this.#freshness = new Freshness(runtime, async (options) => {
      await readStamp(store, keys.stamp)(options);
      const { kvs, revision: storeRevision } = await store.range({ key: keys.live, rangeEnd: \`\${keys.prefix}live0\` }, options);
      const revision = Math.max(0, ...kvs.filter(({ key }) => key !== keys.stamp).map(({ modRevision }) => modRevision));
      return { revision, storeRevision };
    });`,
    story:
      'the newest revision of the keys that are there as the proof of freshness: it knows of no deletion',
    ...{ killedBy, invariant: 'CONFIG-9' },
  },
  {
    name: 'config-stamp-of-any-member',
    file: 'src/mirror/stamp.ts',
    find: 'await store.range({ key }, options);',
    replace: 'await store.range({ key, serializable: true }, options);',
    story: 'the proof is read from a member that is behind: it proves what was',
    ...{ killedBy, invariant: 'CONFIG-9' },
  },
  {
    name: 'config-fresh-since-the-answer',
    file: 'src/config/reading/freshness.ts',
    find: `    const sentAt = this.#clock.now();
    const answer = await this.#read(options);`,
    replace: `    const answer = await this.#read(options);
    const sentAt = this.#clock.now();`,
    story: 'the age counts from the answer: what was committed while that was on its way is forgotten',
    ...{ killedBy, invariant: 'CONFIG-9' },
  },
  {
    name: 'config-fresh-as-the-mirror',
    file: config,
    find: 'return this.#freshness.stalenessMs;',
    replace: 'return this.#mirror.stalenessMs;',
    story: 'the age of what has arrived, and not of what readers are given: a schema holds that up',
    ...{ killedBy, invariant: 'CONFIG-9' },
  },
];
