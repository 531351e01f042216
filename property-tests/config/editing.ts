/** What a caller of a run does once. */
import type { ConfigCall } from '../../src/checkers/index.js';
import type { ConfigProposal, ConfigRollout, ConfigScope } from '../../src/config/index.js';
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
  if (percent === 100) await abort(parts);
  else await promote(parts);
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

async function policy({ scene, seat, plan, options }: DeedParts): Promise<void> {
  const approvals = plan.percent >= 40 ? 1 : 0;
  await scene.note(seat, plan, { do: 'policy' }, (change) =>
    seat.editor.setPolicy(seat.documents[plan.document], { approvals, keep: 16 }, { ...options, ...change }),
  );
}

/** And publishes it, once somebody has approved it. */
async function propose(parts: DeedParts): Promise<void> {
  const { seat, plan, options, pause, text: tag } = parts;
  const { editor, documents } = seat;
  const both = [documents.a.set({ tag }), documents.b.set({ tag })];
  if (plan.percent >= 40) await policy(parts);
  const edits = plan.percent > 10 ? documents[plan.document].set({ tag }) : both;
  await editor.reviews.propose(edits, { ...options, reason: 'propose', changeId: tag });
  for (let looks = 0; looks < 6; looks += 1) {
    await sleep(seat.client.runtime, lookEveryMs);
    const proposals = await editor.reviews.list(options);
    const proposal = proposals.find(({ id }) => id === tag);
    if (proposal === undefined) return;
    if (proposal.votes.length === 0) continue;
    await pause();
    return publishIt(parts, proposal);
  }
}

/** On all proposals; on its own with another program, which lets it. */
async function vote({ scene, seat, plan, options, pause }: DeedParts): Promise<void> {
  const { reviews } = seat.editor;
  const proposals = await reviews.list(options);
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
  ...{ swap, overlay, rollback, rollout, grow, promote, abort, policy, propose, vote, publish, sync },
};
