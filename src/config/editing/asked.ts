/**
 * What a call asks for, so that a change which stands under its id can be told from one that somebody else, or another call, made
 * under the same: a call that is made again is answered the change that it made, and any other is refused.
 */
import { differencesBetween } from '../difference.js';
import type { ConfigDocument } from '../document.js';
import type { ConfigAction, HistoryRecord } from '../records/history.js';
import type { ConfigPolicy } from '../records/policy.js';
import { grown, nobody, type RolloutRule, type StoredRule } from '../rollout/rule.js';
import type { Scope } from '../scope.js';
import type { ReadyEdit } from './edits.js';
import type { ConfigRollout } from './rollouts.js';

export interface AskedChange {
  readonly action: ConfigAction;
  /** Whether a change of this action, as the history of the document has it, is what is asked for. */
  readonly is: (made: HistoryRecord, document: ConfigDocument<unknown>) => boolean;
}

export function askedEdits(edits: readonly ReadyEdit[]): AskedChange {
  return {
    action: 'change',
    is: ({ layers, proposal }, document) =>
      proposal === undefined &&
      isOf(
        document,
        edits,
        layers.map(({ scope, after }) => ({ scope, content: after })),
      ),
  };
}

export function askedRollout(edits: readonly ReadyEdit[], rule: RolloutRule): AskedChange {
  const asked = grown(nobody, rule);
  return {
    action: 'rollout',
    is: ({ rollout, proposal }, document) =>
      proposal === undefined &&
      rollout !== undefined &&
      isSameRule(rollout.rule, asked) &&
      isOf(document, edits, rollout.layers),
  };
}

/** The rollout may have been seen before it grew, or afterwards. */
export function askedGrowth({ id, rule }: ConfigRollout, more: RolloutRule): AskedChange {
  const asked = grown(rule, more);
  return {
    action: 'grow',
    is: ({ rollout }) =>
      rollout?.id === id && covers(rollout.rule, grown(nobody, more)) && covers(asked, rollout.rule),
  };
}

export function askedEnd(action: 'promote' | 'abort', { id }: ConfigRollout): AskedChange {
  return { action, is: ({ rollout }) => rollout?.id === id };
}

export function askedRollback(numbers: ReadonlyMap<string, number>): AskedChange {
  return {
    action: 'rollback',
    is: ({ rolledBackTo }, { name }) => rolledBackTo === numbers.get(name),
  };
}

export function askedPolicy(given: Partial<ConfigPolicy>): AskedChange {
  return {
    action: 'policy',
    is: ({ policy }) =>
      policy !== undefined &&
      (given.approvals ?? policy.approvals) === policy.approvals &&
      (given.keep ?? policy.keep) === policy.keep,
  };
}

export function askedPublication(
  { id, author }: { readonly id: string; readonly author: string },
  rule: RolloutRule | undefined,
): AskedChange {
  const asked = rule && grown(nobody, rule);
  return {
    action: rule === undefined ? 'change' : 'rollout',
    is: ({ proposal, rollout }) =>
      proposal?.id === id &&
      proposal.author === author &&
      (asked === undefined || (rollout !== undefined && isSameRule(rollout.rule, asked))),
  };
}

interface Made {
  readonly scope: Scope;
  readonly content: Uint8Array | undefined;
}

/** Whether layers of a document are what these edits make of it. */
export function isOf(
  document: ConfigDocument<unknown>,
  edits: readonly (Made & { readonly document: { readonly name: string } })[],
  made: readonly Made[],
): boolean {
  const own = edits.filter((edit) => edit.document.name === document.name);
  return (
    own.length === made.length &&
    own.every(({ scope, content }) => {
      const found = made.find((layer) => layer.scope === scope);
      return found !== undefined && isSameContent(document, content, found.content);
    })
  );
}

/** A codec of its own need not make the same bytes of the same content twice, so those are not compared. */
function isSameContent(
  document: ConfigDocument<unknown>,
  one: Uint8Array | undefined,
  other: Uint8Array | undefined,
): boolean {
  if (one === undefined || other === undefined) return one === other;
  if (!document.isMerged) return true;
  return differencesBetween(document.readable(one), document.readable(other)).length === 0;
}

function isSameRule(one: StoredRule, other: StoredRule): boolean {
  return covers(one, other) && covers(other, one);
}

/** Whether whoever meets `less` meets `rule` too. */
function covers(rule: StoredRule, less: StoredRule): boolean {
  const both = less.labels.reduce(
    (all, labels) => grown(all, { labels }),
    grown(rule, { ...less, labels: undefined }),
  );
  return (
    both.instances.length === rule.instances.length &&
    both.addresses.length === rule.addresses.length &&
    both.labels.length === rule.labels.length &&
    both.percent === rule.percent
  );
}
