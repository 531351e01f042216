import type { ConfigDocument } from '../document.js';
import { rolledOut } from '../layering.js';
import type { RolloutRecord } from '../records/rollout.js';
import { type ConfigInstance, takes } from '../rollout/rule.js';
import { type Scope, scopesOf } from '../scope.js';
import { type LiveDocument, rolloutOf } from './live-records.js';

export interface Standpoint {
  readonly scope: Scope;
  readonly instance: ConfigInstance;
}

/** What one reader is to be given of a document. */
export interface Resolved {
  /** Undefined: there is no such document for it. */
  readonly content: Uint8Array | undefined;
  /** Id of the rollout that it takes; undefined: it takes none, or one of other scopes alone, which gives it nothing. */
  readonly rollout: string | undefined;
  /** Newest revision of what this came of: of its layers, and of the rollout that it takes. 0 for none. */
  readonly revision: number;
}

/** Throws `codec` for what is no JSON, or no rollout. */
export function resolve(
  document: ConfigDocument<unknown>,
  live: LiveDocument,
  { scope, instance }: Standpoint,
): Resolved {
  const rollout = rolloutOf(live);
  const theirs = scopesOf(scope);
  const isTaken = rollout !== undefined && isOf(theirs, rollout) && takes(rollout.id, rollout.rule, instance);
  const standing = new Map([...live.layers].map(([one, { value }]) => [one, value]));
  const layers = isTaken ? rolledOut(standing, rollout.layers) : standing;
  const revisions = theirs.map((one) => live.layers.get(one)?.modRevision ?? 0);
  return {
    content: document.contentFor(scope, layers),
    rollout: isTaken ? rollout.id : undefined,
    revision: Math.max(...revisions, isTaken ? (live.rollout?.modRevision ?? 0) : 0),
  };
}

/** Whether any of what it rolls out is of these scopes. */
function isOf(scopes: readonly Scope[], { layers }: Pick<RolloutRecord, 'layers'>): boolean {
  return layers.some(({ scope }) => scopes.includes(scope));
}
