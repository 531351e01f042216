import {
  type Compare,
  compare,
  type Op,
  prefixRange,
  put,
  remove,
  type TxnRequest,
} from '../../store/index.js';
import type { ConfigKeys } from '../keys.js';
import type { Attribution } from '../records/attribution.js';
import { encodeHead, type RecentChange, rememberedIds } from '../records/head.js';
import { type ChangedLayer, encodeHistory } from '../records/history.js';
import { encodePolicy } from '../records/policy.js';
import { encodeRollout } from '../records/rollout.js';
import type { DocumentState, ReadStates } from './document-state.js';
import { withRoomFor } from './limits.js';
import type { ChangePlan, DocumentPlan } from './plan.js';

export interface RequestParts {
  readonly keys: ConfigKeys;
  readonly read: ReadStates;
  readonly plan: ChangePlan;
  /** Of the change. */
  readonly id: string;
  readonly by: Attribution;
}

/** The one transaction of a change: applied only if the documents are as they were read. */
export function requestFor(parts: RequestParts): TxnRequest {
  const { keys, read, plan, id } = parts;
  const success: Op[] = [put(keys.stamp, id), ...(plan.also ?? [])];
  const guards: Compare[] = [...(plan.compare ?? [])];
  for (const document of plan.documents) {
    const state = read.states.get(document.name) as DocumentState;
    guards.push(...guardsOf(keys, state, document, read.revision));
    success.push(...changesOf(keys, document), ...recordsOf(parts, state, document));
  }
  return withRoomFor({ compare: guards, success, failure: [] }, plan.ifRoom ?? []);
}

/** Nothing of the document is another than it was read, be it by one of these transactions or by somebody else's hand. */
function guardsOf(
  keys: ConfigKeys,
  { name, revisions }: DocumentState,
  { layers, rollout }: DocumentPlan,
  readAt: number,
): Compare[] {
  const replaced = [...layers.keys(), ...(rollout?.layers.map(({ scope }) => scope) ?? [])];
  return [
    compare.mod(keys.head(name), 'equal', revisions.head),
    compare.mod(keys.policy(name), 'equal', revisions.policy),
    compare.mod(keys.rollout(name), 'equal', revisions.rollout),
    compare.mod(prefixRange(keys.layers(name)), 'less', readAt + 1),
    ...[...new Set(replaced)].map((scope) =>
      compare.mod(keys.layer(name, scope), 'equal', revisions.layer(scope)),
    ),
  ];
}

function changesOf(keys: ConfigKeys, { name, layers, rollout, policy }: DocumentPlan): Op[] {
  return [
    ...[...layers].map(([scope, content]) => {
      const key = keys.layer(name, scope);
      return content === undefined ? remove(key) : put(key, content);
    }),
    ...(rollout === undefined ? [] : [rolloutOp(keys, name, rollout)]),
    ...(policy === undefined ? [] : [put(keys.policy(name), encodePolicy(policy))]),
  ];
}

function rolloutOp(keys: ConfigKeys, name: string, rollout: Exclude<DocumentPlan['rollout'], undefined>): Op {
  const key = keys.rollout(name);
  return rollout === null ? remove(key) : put(key, encodeRollout(rollout));
}

/** What is remembered of it: the history, of which no more is kept than is to be, and the head. */
function recordsOf({ keys, plan, id, by }: RequestParts, state: DocumentState, document: DocumentPlan): Op[] {
  const { name, head, layers: before } = state;
  const number = head.number + 1;
  const keep = (document.policy ?? state.policy).keep;
  const first = Math.max(head.first, number - keep + 1);
  const layers: ChangedLayer[] = [...document.layers].map(([scope, after]) => ({
    ...{ scope, before: before.get(scope), after },
  }));
  const history = encodeHistory({
    ...{ ...by, number, action: plan.action, id, layers },
    documents: plan.documents.map((one) => one.name),
    ...document.told,
    ...(document.policy === undefined ? {} : { policy: document.policy }),
    ...(plan.proposal === undefined ? {} : { proposal: plan.proposal }),
  });
  const made: RecentChange = {
    ...{ id, number },
    ...(plan.proposal === undefined
      ? {}
      : { proposal: { author: plan.proposal.author, id: plan.proposal.id } }),
  };
  const recent = [...head.recent, made].slice(-rememberedIds);
  return [
    put(keys.history(name, number), history),
    ...(first > head.first
      ? [{ type: 'delete' as const, ...keys.historyBetween(name, head.first, first - 1) }]
      : []),
    put(keys.head(name), encodeHead({ number, first, recent })),
  ];
}
