import { isQuorateError, QuorateError } from '../../errors.js';
import { Backoff, type TimeLeft, waitFor } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import type { RangeOp } from '../../store/index.js';
import type { ConfigDocument } from '../document.js';
import type { ConfigKeys } from '../keys.js';
import { checkForAll, rolledOut } from '../layering.js';
import type { Attribution } from '../records/attribution.js';
import { rememberedIds } from '../records/head.js';
import { baseScope } from '../scope.js';
import type { AskedChange } from './asked.js';
import { type DocumentState, type ReadStates, readStates } from './document-state.js';
import { type MadeChange, madeBefore } from './made-before.js';
import type { ChangePlan } from './plan.js';
import { assertPromotable } from './promotable.js';
import { requestFor } from './request.js';

/** A change that was applied. */
export interface ConfigChange {
  /** Of the change: who asks for it again under this id is told of this one. */
  readonly id: string;
  /** That applied it. */
  readonly revision: number;
  /** Its number in the history of each document. */
  readonly numbers: ReadonlyMap<string, number>;
}

export interface CommitParts {
  readonly client: Client;
  readonly keys: ConfigKeys;
  /** Those that are to be changed. */
  readonly documents: readonly ConfigDocument<unknown>[];
  /** What else must be read, at the same revision. */
  readonly extra: readonly RangeOp[];
  readonly id: string;
  readonly by: Attribution;
  /** What a change that stands under this id must be, to be this one. */
  readonly asked: AskedChange;
  /** Made anew of what is there each time that somebody else was first. Rejects if it is not to be done. */
  readonly plan: (read: ReadStates) => ChangePlan | Promise<ChangePlan>;
  readonly left: TimeLeft;
}

const retryDelay = { firstMs: 5, longestMs: 500 };

/**
 * Reads, plans, and writes what is planned, if nothing was changed in between; until one of these attempts succeeds. Answers who made it too:
 * of a call that is made again that may be another.
 */
export async function commitChange(parts: CommitParts): Promise<MadeChange> {
  const { client, keys, documents, extra, id, by, left } = parts;
  const backoff = new Backoff(client.runtime, retryDelay);
  const names = documents.map(({ name }) => name);
  /** An attempt of which nobody knows whether it was applied, and as which change of the first document. */
  let doubt: { readonly error: QuorateError; readonly number: number } | undefined;
  let number = 0;
  for (let attempts = 0; ; attempts += 1) {
    try {
      // In here: whoever gives up while it waits is told what is known of the attempts before.
      if (attempts > 0) await left.pause(backoff.nextMs());
      const read = await readStates(client, keys, names, extra, left.all());
      const before = await madeBefore(parts, read);
      if (before !== undefined) return before;
      number = (read.states.get(names[0] as string)?.head.number ?? 0) + 1;
      // Its id may have stood there, and be forgotten by now.
      if (doubt !== undefined && number > doubt.number + rememberedIds) throw doubt.error;
      const plan = await parts.plan(read);
      assertPromotable(keys, read, plan);
      if (plan.isUnchecked !== true) await checkPlan(parts, documents, read, plan);
      const request = requestFor({ keys, read, plan, id, by });
      const { succeeded, revision } = await client.store.txn(request, left.all());
      if (succeeded) return { change: { id, revision, numbers: numbersAfter(read) }, by };
    } catch (error) {
      if (doubt?.error === error) throw error;
      if (!isInDoubt(error)) throw doubt === undefined ? error : stillInDoubt(doubt.error, error);
      // It was applied, and its id stands in the heads; or they are as they were, and what guards the next attempt guards both.
      doubt ??= { error, number };
    }
  }
}

/** The reply was lost, and history compacted: the keys themselves must tell. Whoever gave up himself is told so. */
function isInDoubt(error: unknown): error is QuorateError {
  return isQuorateError(error, 'compacted') && error.outcome === 'unknown';
}

function stillInDoubt(doubt: QuorateError, error: unknown): QuorateError {
  const message = `nobody knows whether the change was applied: ${doubt.message}`;
  const code = isQuorateError(error) ? error.code : 'internal';
  return new QuorateError(code, message, { outcome: 'unknown', cause: error });
}

function numbersAfter({ states }: ReadStates): ReadonlyMap<string, number> {
  return new Map([...states].map(([name, { head }]) => [name, head.number + 1]));
}

/**
 * Asks the schemas about what readers would be given: those who take the rollout that is to stand, and those who do not. For no
 * longer than the call may take: what has not answered by then may never.
 */
export async function checkPlan(
  { client, left }: Pick<CommitParts, 'client' | 'left'>,
  ...asked: Parameters<typeof askSchemas>
): Promise<void> {
  const limits = left.all();
  await waitFor(client.runtime, askSchemas(...asked), limits, 'asking the schemas');
}

async function askSchemas(
  documents: readonly ConfigDocument<unknown>[],
  { states }: Pick<ReadStates, 'states'>,
  plan: Pick<ChangePlan, 'documents'>,
): Promise<void> {
  for (const { name, layers, rollout } of plan.documents) {
    const document = documents.find((one) => one.name === name) as ConfigDocument<unknown>;
    const state = states.get(name) as DocumentState;
    const after = rolledOut(
      state.layers,
      [...layers].map(([scope, content]) => ({ scope, content })),
    );
    await checkForAll(document, after, (scope, error) => refused(name, scope, 'all readers', error));
    const standing = rollout === undefined ? state.rollout : (rollout ?? undefined);
    if (standing === undefined) continue;
    const taken = rolledOut(after, standing.layers);
    await checkForAll(document, taken, (scope, error) =>
      refused(name, scope, 'readers in the rollout', error),
    );
  }
}

function refused(name: string, scope: string, whom: string, error: unknown): QuorateError {
  const where = scope === baseScope ? '' : ` in ${scope}`;
  const why = error instanceof Error ? error.message : String(error);
  const details = isQuorateError(error) ? error.details : {};
  return new QuorateError(
    'invalid-argument',
    `what ${whom}${where} would be given of document ${JSON.stringify(name)} is refused: ${why}`,
    { cause: error, details: { ...details, document: name, scope } },
  );
}
