/** What a caller of a run does once. */
import type { ConfigCall } from '../../src/checkers/index.js';
import type { ConfigProposal, ConfigRollout, ConfigScope } from '../../src/config/index.js';
import { isQuorateError } from '../../src/errors.js';
import { sleep, type WaitOptions } from '../../src/runtime/index.js';
import { textOf } from '../../src/store/index.js';
import type { ConfigSeat, Scene } from './scene.js';
import type { CallerPlan } from './workload.js';

export interface DeedParts {
  readonly scene: Scene;
  readonly seat: ConfigSeat;
  readonly plan: CallerPlan;
  readonly options: WaitOptions;
  /** Between what it sees and what it makes of that. */
  readonly pause: () => Promise<void>;
  /** Of its own. */
  readonly text: string;
}

export type Deed = (parts: DeedParts) => Promise<void>;

const base: ConfigScope = '';
/** Who waits for a review looks so often. */
const lookEveryMs = 60;
const mostLooks = 10;
/** Of proposals, whoever makes them. */
const sharedId = 'shared';

async function changeBoth({ scene, seat, plan, options, text: tag }: DeedParts): Promise<void> {
  const { editor, documents } = seat;
  const layers = (['a', 'b'] as const).map((document) => ({ document, scope: base, value: { tag } }));
  await scene.note(seat, plan, { do: 'change', layers }, (change) =>
    editor.change([documents.a.set({ tag }), documents.b.set({ tag })], { ...options, ...change }),
  );
}

async function changeOne({ scene, seat, plan, options, text: tag }: DeedParts): Promise<void> {
  const { document } = plan;
  const layers = [{ document, scope: base, value: { tag } }];
  await scene.note(seat, plan, { do: 'change', layers }, (change) =>
    seat.editor.change(seat.documents[document].set({ tag }), { ...options, ...change }),
  );
}

async function swap({ scene, seat, plan, options, pause, text: tag }: DeedParts): Promise<void> {
  const { document } = plan;
  const stored = await seat.editor.read(seat.documents[document], options);
  const revision = stored.layers.find(({ scope }) => scope === base)?.revision ?? 0;
  await pause();
  const layers = [{ document, scope: base, value: { tag } }];
  const expected = [{ document, scope: base, revision }];
  const edit = seat.documents[document].set({ tag }, { expected: revision });
  await scene.note(seat, plan, { do: 'change', layers, expected }, (change) =>
    seat.editor.change(edit, { ...options, ...change }),
  );
}

async function overlay({ scene, seat, plan, options, text: over }: DeedParts): Promise<void> {
  const { document, scope } = plan;
  const own = seat.documents[document];
  const isRemoved = plan.percent === 0;
  const layers = [{ document, scope, value: isRemoved ? null : { over } }];
  const edit = isRemoved ? own.remove({ scope }) : own.overlay(scope, { over });
  await scene.note(seat, plan, { do: 'change', layers }, (change) =>
    seat.editor.change(edit, { ...options, ...change }),
  );
}

async function rollback({ scene, seat, plan, options, pause }: DeedParts): Promise<void> {
  const own = seat.documents[plan.document];
  const { number } = await seat.editor.read(own, options);
  await pause();
  const to = Math.max(0, number - 1 - (plan.percent % 3));
  const isDone = await scene.note(seat, plan, { do: 'rollback' }, (change) =>
    seat.editor.rollback(own, to, { ...options, ...change }),
  );
  if (isDone) scene.reached('a document was rolled back');
}

/** Of both documents, or of one and its overlay; from the beginning to the end, unless somebody else is first. */
async function rollout(parts: DeedParts): Promise<void> {
  const { scene, seat, plan, options, pause, text: tag } = parts;
  const { editor, documents } = seat;
  const { percent, document, scope } = plan;
  const isOfBoth = plan.thinkMs === 0;
  const edits = isOfBoth
    ? [documents.a.set({ tag }), documents.b.set({ tag })]
    : [documents[document].set({ tag }), documents[document].overlay(scope, { over: tag })];
  await scene.note(seat, plan, { do: 'rollout' }, (change) =>
    editor.rollouts.start(edits, ruleOf(plan, percent), { ...options, ...change }),
  );
  if (plan.stroke !== 'none') return;
  await pause();
  if (percent > 10) await grow(parts);
  if (percent === 100 && scope === 'q') await abort(parts);
  else await promote(parts);
}

/** A stage of a rollout under the id by which that was begun: somebody took one id for all of it. */
async function reuse({ scene, seat, plan, options, pause, text: tag }: DeedParts): Promise<void> {
  const { editor, documents } = seat;
  const id = scene.newId();
  const edit = documents[plan.document].set({ tag });
  let begun: ConfigRollout | undefined;
  await scene.note(seat, plan, { do: 'rollout', id }, async (change) => {
    begun = await editor.rollouts.start(edit, { percent: 10 }, { ...options, ...change });
    return begun;
  });
  if (begun === undefined) return;
  const seen = begun;
  await pause();
  const stage = plan.percent > 40 ? 'grow' : plan.percent > 0 ? 'promote' : 'abort';
  try {
    await scene.note(seat, plan, { ...onRollout(stage, seen), id }, (change) => {
      const call = { ...options, ...change };
      if (stage === 'grow') return editor.rollouts.grow(seen, { percent: 100 }, call);
      return editor.rollouts[stage](seen, call);
    });
  } catch (error) {
    if (!isQuorateError(error, 'invalid-argument')) throw error;
    scene.reached('an id was refused that another call had used');
  }
  if (plan.thinkMs > 0) await promote({ scene, seat, plan, options, pause, text: tag });
}

function ruleOf({ scope, gapMs }: CallerPlan, percent: number) {
  if (gapMs === 5) return { labels: { zone: 'z1' } };
  if (gapMs === 150) return { instances: ['process 0'], addresses: ['10.0.0.2'] };
  return scope === 'q' ? { percent, instances: ['process 1'] } : { percent };
}

async function grow({ scene, seat, plan, options, pause }: DeedParts): Promise<void> {
  const seen = await seat.editor.rollouts.of(seat.documents[plan.document], options);
  if (seen === undefined) return;
  await pause();
  const isDone = await scene.note(seat, plan, onRollout('grow', seen), (change) =>
    seat.editor.rollouts.grow(seen, ruleOf(plan, plan.percent), { ...options, ...change }),
  );
  if (isDone) scene.reached('a rollout grew');
}

async function promote({ scene, seat, plan, options, pause }: DeedParts): Promise<void> {
  const seen = await seat.editor.rollouts.of(seat.documents[plan.document], options);
  if (seen === undefined) return;
  await pause();
  await scene.note(seat, plan, onRollout('promote', seen), (change) =>
    seat.editor.rollouts.promote(seen, { ...options, ...change }),
  );
}

async function abort({ scene, seat, plan, options, pause }: DeedParts): Promise<void> {
  const seen = await seat.editor.rollouts.of(seat.documents[plan.document], options);
  if (seen === undefined) return;
  await pause();
  await scene.note(seat, plan, onRollout('abort', seen), (change) =>
    seat.editor.rollouts.abort(seen, { ...options, ...change }),
  );
}

function onRollout(what: ConfigCall['do'], { revision: seen }: ConfigRollout) {
  return { do: what, seen };
}

/** Two, if there are as many beside an author. */
function approvalsFor({ scene, plan }: Pick<DeedParts, 'scene' | 'plan'>): number {
  if (plan.percent >= 70 && scene.seats.processes.length > 2) return 2;
  return plan.percent >= 40 ? 1 : 0;
}

async function policy({ scene, seat, plan, options }: DeedParts): Promise<void> {
  const approvals = approvalsFor({ scene, plan });
  await scene.note(seat, plan, { do: 'policy' }, (change) =>
    seat.editor.setPolicy(seat.documents[plan.document], { approvals, keep: 16 }, { ...options, ...change }),
  );
}

/** And publishes it, once as many have voted on it as are asked for. Some take the same id every time, and so do others. */
async function propose(parts: DeedParts): Promise<void> {
  const { scene, seat, plan, options, pause, text: tag } = parts;
  const { editor, documents } = seat;
  const both = [documents.a.set({ tag }), documents.b.set({ tag })];
  if (plan.percent >= 40) await policy(parts);
  const edits = plan.percent > 10 ? documents[plan.document].set({ tag }) : both;
  const changeId = plan.scope === 'p' ? tag : sharedId;
  const proposed = await editor.reviews.propose(edits, { ...options, reason: 'propose', changeId });
  if (plan.scope === 'p/x') await scene.forgeTwin(seat, proposed);
  for (let looks = 0; looks < mostLooks; looks += 1) {
    await sleep(seat.client.runtime, lookEveryMs);
    const proposals = await editor.reviews.list(options);
    const ofThisId = proposals.filter(({ id }) => id === changeId);
    if (ofThisId.length > 1) scene.reached('proposals of two authors stood under one id');
    const proposal = ofThisId.find(({ author }) => author === seat.process.name);
    if (proposal === undefined) return;
    const isLast = looks === mostLooks - 1;
    if (!isLast && proposal.votes.length < Math.max(1, approvalsFor(parts))) continue;
    await pause();
    return publishIt(parts, proposal);
  }
}

/** Waits for one a little. */
async function proposalsFor(
  { editor, client }: ConfigSeat,
  options: WaitOptions,
): Promise<readonly ConfigProposal[]> {
  for (let looks = 0; ; looks += 1) {
    const proposals = await editor.reviews.list(options);
    if (proposals.length > 0 || looks === mostLooks) return proposals;
    await sleep(client.runtime, lookEveryMs);
  }
}

/** On all proposals; on its own with another program, which lets it. */
async function vote({ scene, seat, plan, options, pause }: DeedParts): Promise<void> {
  const { reviews } = seat.editor;
  const proposals = await proposalsFor(seat, options);
  await pause();
  const call = { ...options, reason: 'vote' };
  for (const proposal of proposals) {
    const isOwn = proposal.author === seat.process.name;
    if (plan.percent === 10) await reviews.reject(proposal, call);
    else if (plan.percent === 0 && isOwn) await reviews.withdraw(proposal, options);
    else if (!isOwn) await reviews.approve(proposal, call);
    else if (plan.percent === 40) await scene.forgeVote(seat, proposal);
  }
}

/** Approves all proposals of others, and takes that back by another program, which says nothing. */
async function unvote({ scene, seat, options, pause }: DeedParts): Promise<void> {
  const { reviews } = seat.editor;
  for (const proposal of await proposalsFor(seat, options)) {
    if (proposal.author === seat.process.name) continue;
    await reviews.approve(proposal, { ...options, reason: 'vote' });
    await sleep(seat.client.runtime, lookEveryMs);
    await pause();
    await scene.deleteVote(seat, proposal);
  }
}

/** Any proposal, whether it was approved or not. */
async function publish(parts: DeedParts): Promise<void> {
  const { seat, plan, options, pause } = parts;
  const proposals = await seat.editor.reviews.list(options);
  const proposal = proposals[plan.rounds % Math.max(1, proposals.length)];
  if (proposal === undefined) return;
  await pause();
  await publishIt(parts, proposal);
}

async function publishIt({ scene, seat, plan, options }: DeedParts, proposal: ConfigProposal): Promise<void> {
  const rule = plan.percent === 70 ? ruleOf(plan, 70) : undefined;
  const expected = proposal.layers.map(({ document, scope, base: revision }) => ({
    ...{ document, scope, revision },
  }));
  const layers = proposal.layers.map(({ document, scope, content }) => ({
    ...{ document, scope, value: content === undefined ? null : JSON.parse(textOf(content)) },
  }));
  const call =
    rule === undefined ? { do: 'change' as const, expected, layers } : { do: 'rollout' as const, expected };
  await scene.note(seat, plan, call, (change) =>
    seat.editor.reviews.publish(proposal, { ...options, ...change, rule }),
  );
}

async function sync({ scene, seat, options }: DeedParts): Promise<void> {
  const { config, told } = seat.reader;
  if (config === undefined) return;
  const calledAtMs = scene.nowMs();
  const before = config.snapshot.revision;
  const revision = await config.sync(options);
  told.syncs.push({ calledAtMs, revision: config.snapshot.revision });
  if (revision > before) scene.reached('a sync waited for the newest');
}

export const deeds: Readonly<Record<Exclude<CallerPlan['what'], 'break'>, Deed>> = {
  'change-both': changeBoth,
  'change-one': changeOne,
  ...{
    swap,
    overlay,
    rollback,
    rollout,
    grow,
    promote,
    abort,
    policy,
    propose,
    vote,
    unvote,
    publish,
    reuse,
    sync,
  },
};
