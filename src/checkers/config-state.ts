/**
 * What a configuration is at a revision, by its keys alone. Written apart from the library, and plainer, so that a mistake there
 * is not made here too.
 */
import { ConfigKeys } from '../config/keys.js';
import { decodeHistory, type HistoryRecord } from '../config/records/history.js';
import { type ConfigPolicy, decodePolicy, defaultPolicy } from '../config/records/policy.js';
import { decodeRollout, type RolloutRecord } from '../config/records/rollout.js';
import { type Key, type KeyValue, prefixRange, textOf } from '../store/index.js';
import type { History } from './history.js';

/** Who a reader is. */
export interface ReaderStandpoint {
  /** Empty: of the base alone. */
  readonly scope: string;
  readonly instance: {
    readonly id: string;
    readonly addresses?: readonly string[];
    readonly labels?: Readonly<Record<string, string>>;
  };
}

export class ConfigState {
  readonly keys: ConfigKeys;
  readonly history: History;

  /** `prefix`: of all keys of the configuration. */
  constructor(history: History, prefix: Key) {
    this.history = history;
    this.keys = new ConfigKeys(prefix);
  }

  /** The layers of a document, by scope. */
  layersAt(document: string, revision: number): ReadonlyMap<string, KeyValue> {
    const prefix = this.keys.layers(document);
    return new Map(
      this.history.rangeAt(prefixRange(prefix), revision).flatMap((kv) => {
        const scope = decoded(kv.key.slice(prefix.length));
        // Spelled in another way, it is another program's.
        return scope !== undefined && this.keys.layer(document, scope) === kv.key ? [[scope, kv]] : [];
      }),
    );
  }

  rolloutAt(document: string, revision: number): (RolloutRecord & { readonly revision: number }) | undefined {
    const kv = this.history.valueAt(this.keys.rollout(document), revision);
    return kv && { ...decodeRollout(kv.value), revision: kv.modRevision };
  }

  policyAt(document: string, revision: number): ConfigPolicy {
    const kv = this.history.valueAt(this.keys.policy(document), revision);
    return kv === undefined ? defaultPolicy : decodePolicy(kv.value);
  }

  /** What the history of the documents says of this revision, by document. */
  recordsOf(revision: number): ReadonlyMap<string, HistoryRecord> {
    const records = new Map<string, HistoryRecord>();
    const prefix = `${this.keys.prefix}history/`;
    for (const { type, kv } of this.history.entryAt(revision)?.events ?? []) {
      if (type !== 'put' || !kv.key.startsWith(prefix)) continue;
      const document = decoded(kv.key.slice(prefix.length).split('/')[0] ?? '');
      if (document === undefined || !kv.key.startsWith(this.keys.histories(document))) continue;
      records.set(document, decodeHistory(kv.value));
    }
    return records;
  }

  /** What somebody is to be given of a document; undefined: nothing. `taken`: as if it took the rollout, or did not. */
  givenAt(
    document: string,
    revision: number,
    standpoint: ReaderStandpoint,
    taken = this.isTakenAt(document, revision, standpoint),
  ): unknown {
    const contents = new Map<string, string>();
    for (const [scope, kv] of this.layersAt(document, revision)) contents.set(scope, textOf(kv.value));
    const rollout = this.rolloutAt(document, revision);
    if (taken && rollout !== undefined) {
      for (const { scope, content } of rollout.layers) {
        if (content === undefined) contents.delete(scope);
        else contents.set(scope, textOf(content));
      }
    }
    let given: unknown;
    for (const [scope, content] of [...contents].sort(([one], [other]) => one.length - other.length)) {
      const isTheirs = scope === '' || `${standpoint.scope}/`.startsWith(`${scope}/`);
      if (isTheirs) given = scope === '' ? JSON.parse(content) : patched(given, JSON.parse(content));
    }
    return given;
  }

  isTakenAt(document: string, revision: number, { instance }: ReaderStandpoint): boolean {
    const rollout = this.rolloutAt(document, revision);
    if (rollout === undefined) return false;
    const { rule, id } = rollout;
    const { addresses = [], labels = {} } = instance;
    return (
      rule.instances.some((named) => named === instance.id) ||
      rule.addresses.some((named) => addresses.includes(named)) ||
      rule.labels.some((all) => Object.keys(all).every((label) => labels[label] === all[label])) ||
      placeOf(`${id}\n${instance.id}`) < BigInt(Math.round((rule.percent / 100) * 2 ** 32))
    );
  }
}

function decoded(part: Key): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

/** The same for what is equal, whatever the order of its fields. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([one], [other]) => (one < other ? -1 : 1)))
      : part,
  );
}

/** RFC 7396, as it is written there. */
function patched(target: unknown, patch: unknown): unknown {
  const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isObject(patch)) return patch;
  const result: Record<string, unknown> = isObject(target) ? { ...(target as object) } : {};
  for (const [name, part] of Object.entries(patch as object)) {
    if (part === null) delete result[name];
    else result[name] = patched(result[name], part);
  }
  return result;
}

/** FNV-1a and the finalizer of MurmurHash3, of 32 bits, in whole numbers without end. */
function placeOf(text: string): bigint {
  const all = 0xffffffffn;
  let hash = 2166136261n;
  for (const byte of Buffer.from(text)) hash = ((hash ^ BigInt(byte)) * 16777619n) & all;
  hash = ((hash ^ (hash >> 16n)) * 2246822507n) & all;
  hash = ((hash ^ (hash >> 13n)) * 3266489909n) & all;
  return hash ^ (hash >> 16n);
}
