import { isQuorateError, QuorateError } from '../../errors.js';
import type { Client } from '../../session/index.js';
import {
  type CallOptions,
  get,
  getPrefix,
  type KeyValue,
  type OpReply,
  type RangeOp,
  txnOf,
} from '../../store/index.js';
import type { ConfigKeys } from '../keys.js';
import type { Layers } from '../layering.js';
import { decodeHead, emptyHead, type HeadRecord } from '../records/head.js';
import { type ConfigPolicy, decodePolicy, defaultPolicy } from '../records/policy.js';
import { decodeRollout, type RolloutRecord } from '../records/rollout.js';
import type { Scope } from '../scope.js';

/** Everything that is stored of a document but for its history, as of one revision. */
export interface DocumentState {
  readonly name: string;
  readonly layers: Layers;
  readonly rollout: RolloutRecord | undefined;
  readonly head: HeadRecord;
  readonly policy: ConfigPolicy;
  /** Revisions of the keys that these were read from; 0 for none. */
  readonly revisions: {
    readonly layer: (scope: Scope) => number;
    readonly rollout: number;
    readonly head: number;
    readonly policy: number;
  };
}

export interface ReadStates {
  /** As of which all of it is. */
  readonly revision: number;
  readonly states: ReadonlyMap<string, DocumentState>;
  /** What else was asked for, in its order. */
  readonly extra: readonly (readonly KeyValue[])[];
}

/** Operations for each document. */
const partsOfState = 4;

/**
 * Reads documents, and what else is asked for, at one revision: one request. Errors are those of the store, but never with an
 * outcome that is unknown, since nothing is written; and `codec`.
 */
export async function readStates(
  client: Client,
  keys: ConfigKeys,
  names: readonly string[],
  extra: readonly RangeOp[],
  options: CallOptions,
): Promise<ReadStates> {
  const success = [
    ...names.flatMap((name) => [
      getPrefix(keys.layers(name)),
      get(keys.rollout(name)),
      get(keys.head(name)),
      get(keys.policy(name)),
    ]),
    ...extra,
  ];
  const { revision, replies } = await readOnly(() => client.store.txn(txnOf({ success }), options));
  const found = replies.map(kvsIn);
  const states = names.map((name, index) => {
    const parts = found.slice(index * partsOfState, (index + 1) * partsOfState);
    return [name, stateOf(name, keys, parts)] as const;
  });
  return { revision, states: new Map(states), extra: found.slice(names.length * partsOfState) };
}

function stateOf(name: string, keys: ConfigKeys, parts: readonly (readonly KeyValue[])[]): DocumentState {
  const [layers = [], [rollout] = [], [head] = [], [policy] = []] = parts;
  const byScope = layers.flatMap((kv) => {
    const parsed = keys.parseLive(kv.key);
    return parsed?.kind === 'layer' ? [[parsed.scope, kv] as const] : [];
  });
  const revisions = new Map(byScope.map(([scope, kv]) => [scope, kv.modRevision]));
  return {
    name,
    layers: new Map(byScope.map(([scope, kv]) => [scope, kv.value])),
    rollout: rollout && decodeRollout(rollout.value),
    head: head === undefined ? emptyHead : decodeHead(head.value),
    policy: policy === undefined ? defaultPolicy : decodePolicy(policy.value),
    revisions: {
      layer: (scope) => revisions.get(scope) ?? 0,
      rollout: rollout?.modRevision ?? 0,
      head: head?.modRevision ?? 0,
      policy: policy?.modRevision ?? 0,
    },
  };
}

/** A request that only reads was not applied, whatever became of it. */
export async function readOnly<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!isQuorateError(error) || error.outcome === 'not-applied') throw error;
    throw new QuorateError(error.code, error.message, { cause: error, details: error.details });
  }
}

export function kvsIn(reply: OpReply | undefined): readonly KeyValue[] {
  return reply?.type === 'range' ? reply.kvs : [];
}
