import { invalidArgument, shown } from '../../errors.js';
import { shareOf } from './share.js';

/** Who takes a rollout: whoever any of these names. */
export interface RolloutRule {
  /** Ids of instances. */
  readonly instances?: readonly string[] | undefined;
  /** Addresses of instances, as these tell them, compared as texts. */
  readonly addresses?: readonly string[] | undefined;
  /** Instances that have all of these labels. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** So many of a hundred instances, by a stable hash of their id: from 0 to 100, fractions too. */
  readonly percent?: number | undefined;
}

/** Who a reader is, for the rules of rollouts. */
export interface ConfigInstance {
  /** The same after a restart, if the instance is to keep its place in rollouts by percentage. */
  readonly id: string;
  readonly addresses?: readonly string[] | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** Rules that were given one after the other, as one: whoever any of them named. */
export interface StoredRule {
  readonly instances: readonly string[];
  readonly addresses: readonly string[];
  /** Any of these, and all labels of that one. */
  readonly labels: readonly Readonly<Record<string, string>>[];
  readonly percent: number;
}

export const nobody: StoredRule = { instances: [], addresses: [], labels: [], percent: 0 };

/** The rule that all who took it before still meet. */
export function grown(rule: StoredRule, more: RolloutRule): StoredRule {
  const { instances = [], addresses = [], labels, percent = 0 } = more;
  const isNew = labels !== undefined && !rule.labels.some((known) => isSameLabels(known, labels));
  return {
    instances: [...new Set([...rule.instances, ...instances])],
    addresses: [...new Set([...rule.addresses, ...addresses])],
    labels: isNew ? [...rule.labels, { ...labels }] : rule.labels,
    percent: Math.max(rule.percent, percent),
  };
}

/** Whether this instance takes the rollout. */
export function takes(rolloutId: string, rule: StoredRule, instance: ConfigInstance): boolean {
  if (rule.percent > 0 && shareOf(rolloutId, instance.id) < rule.percent / 100) return true;
  if (rule.instances.includes(instance.id)) return true;
  const { addresses = [], labels = {} } = instance;
  if (addresses.some((address) => rule.addresses.includes(address))) return true;
  return rule.labels.some((asked) =>
    Object.entries(asked).every(([name, value]) => Object.hasOwn(labels, name) && labels[name] === value),
  );
}

/** Refuses with `invalid-argument` what is no rule, and one that names nobody. */
export function checkRule(rule: unknown): asserts rule is RolloutRule {
  const accepted = 'an object with at least one of instances, addresses, labels and percent';
  if (typeof rule !== 'object' || rule === null) {
    throw invalidArgument(`the rule of a rollout is of type ${typeof rule}`, accepted);
  }
  const { instances, addresses, labels, percent } = rule as RolloutRule;
  checkTexts(instances, 'instances');
  checkTexts(addresses, 'addresses');
  checkLabels(labels);
  if (percent !== undefined && !(typeof percent === 'number' && percent >= 0 && percent <= 100)) {
    throw invalidArgument(`percent is ${shown(percent)}`, 'a number from 0 to 100, or none');
  }
  if ([instances, addresses, labels, percent].every((part) => part === undefined)) {
    throw invalidArgument('the rule of a rollout names nobody', accepted);
  }
  if (labels !== undefined && Object.keys(labels).length === 0) {
    throw invalidArgument('labels is empty, which everybody has', 'at least one label, or percent: 100');
  }
}

/** Refuses with `invalid-argument` what is no instance. */
export function checkInstance(instance: unknown): asserts instance is ConfigInstance {
  const accepted = 'an object with an id, and addresses or labels, or none';
  if (typeof instance !== 'object' || instance === null) {
    throw invalidArgument(`instance is of type ${typeof instance}`, accepted);
  }
  const { id, addresses, labels } = instance as ConfigInstance;
  if (typeof id !== 'string' || id === '')
    throw invalidArgument(`the instance's id is ${shown(id)}`, 'a text');
  checkTexts(addresses, 'addresses');
  checkLabels(labels);
}

function checkTexts(texts: unknown, name: string): void {
  if (texts === undefined || (Array.isArray(texts) && texts.every((text) => typeof text === 'string')))
    return;
  throw invalidArgument(`${name} is ${shown(texts)}`, 'an array of texts, or none');
}

function checkLabels(labels: unknown): void {
  if (labels === undefined) return;
  const isRecord = typeof labels === 'object' && labels !== null && !Array.isArray(labels);
  if (isRecord && Object.values(labels).every((value) => typeof value === 'string')) return;
  throw invalidArgument(`labels is ${shown(labels)}`, 'an object of texts, or none');
}

function isSameLabels(
  one: Readonly<Record<string, string>>,
  other: Readonly<Record<string, string>>,
): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}
