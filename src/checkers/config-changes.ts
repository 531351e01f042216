/** Whether what was done to the documents of a configuration is what was asked for, once, and is all in their history. */
import type { HistoryRecord } from '../config/records/history.js';
import { type Key, type KeyValue, prefixRange, textOf } from '../store/index.js';
import { type ConfigState, canonical } from './config-state.js';
import { milliseconds } from './evidence.js';
import { broken } from './sentences.js';

/** A call of an editor that changes something. */
export interface ConfigCall {
  readonly process: string;
  /** Of the change. Of several calls of one id each must be of another action. */
  readonly id: string;
  readonly do: HistoryRecord['action'];
  /** What stood there when it was made, if it said so: revisions of layers, 0 for none. */
  readonly expected?: readonly {
    readonly document: string;
    readonly scope: string;
    readonly revision: number;
  }[];
  /** What it was to put into layers; null: nothing was to be there. Absent where the call does not say. */
  readonly layers?: readonly { readonly document: string; readonly scope: string; readonly value: unknown }[];
  /** Of a promotion, an abort or a growth: the revision of the rollout that it saw. */
  readonly seen?: number;
  /** `unknown`: it failed so, or it never ended. */
  readonly outcome: 'done' | 'not-applied' | 'unknown';
  readonly revision?: number;
  readonly beganAtMs: number;
  readonly endedAtMs?: number;
}

export interface ConfigChangesCheck {
  readonly state: ConfigState;
  readonly documents: readonly string[];
  readonly calls: readonly ConfigCall[];
  /** Revisions at which another program wrote into the keys. */
  readonly foreign: ReadonlySet<number>;
}

export interface ConfigChangesCounts {
  readonly changes: number;
  /** Changes whose callers were never told. */
  readonly untold: number;
  readonly promotions: number;
  readonly aborts: number;
  /** Promotions of rollouts that all instances took already. */
  readonly promotedToAll: number;
}

/** CONFIG-5, CONFIG-6 and CONFIG-8. */
export function checkConfigChanges(options: ConfigChangesCheck): ConfigChangesCounts {
  const { state, calls, foreign } = options;
  const byName = new Map(calls.map((call) => [nameOf(call.id, call.do), call]));
  const appliedAt = new Map<string, number>();
  const numbers = new Map<string, number>();
  let [untold, promotions, aborts, promotedToAll] = [0, 0, 0, 0];
  for (const { revision } of state.history.entries) {
    if (foreign.has(revision)) continue;
    const records = state.recordsOf(revision);
    checkRecorded(options, revision, records);
    const [first] = records.values();
    if (first === undefined) continue;
    const name = nameOf(first.id, first.action);
    const call = byName.get(name);
    const what = `the change ${first.id} of revision ${revision}`;
    if (call === undefined) return broken('CONFIG-6', `${what} was asked for by nobody`);
    const before = appliedAt.get(name);
    if (before !== undefined) broken('CONFIG-6', `${what} had been applied at revision ${before}`);
    appliedAt.set(name, revision);
    if (call.outcome === 'not-applied') {
      broken('CONFIG-6', `${what} was applied, and ${call.process} was told that it was not`);
    }
    if (call.outcome === 'unknown') untold += 1;
    checkAsked(state, call, revision);
    checkEnded(state, call, records, revision);
    for (const [document, record] of records) {
      checkNumber(state, numbers, document, record, revision);
      if (record.action === 'promote') checkPromotion(state, call, document, revision);
      if (record.action === 'abort') checkAbort(state, call, document, revision);
      if (record.action === 'grow') checkGrowth(state, call, document, revision);
    }
    if (first.action === 'promote') promotions += 1;
    if (first.action === 'promote' && first.rollout?.rule.percent === 100) promotedToAll += 1;
    if (first.action === 'abort') aborts += 1;
  }
  for (const call of calls) checkTold(state, call, appliedAt.get(nameOf(call.id, call.do)));
  for (const document of options.documents) checkKeptHistory(state, document);
  return { changes: appliedAt.size, untold, promotions, aborts, promotedToAll };
}

/** CONFIG-8: whatever readers see of a revision is in the history of its documents, as it was before and is after. */
function checkRecorded(
  { state, documents }: ConfigChangesCheck,
  revision: number,
  records: ReadonlyMap<string, HistoryRecord>,
): void {
  const { history, keys } = state;
  const events = history.entryAt(revision)?.events ?? [];
  const isLive = events.some(({ kv }) => kv.key.startsWith(keys.live));
  if (!isLive && records.size === 0) return;
  if (!events.some(({ type, kv }) => type === 'put' && kv.key === keys.stamp)) {
    broken('CONFIG-9', `revision ${revision} does not put the stamp`);
  }
  for (const document of documents) {
    const changed = changedLayers(state, document, revision);
    const record = records.get(document);
    const told = new Map(record?.layers.map((layer) => [layer.scope, layer]));
    for (const [scope, [before, after]] of changed) {
      const layer = told.get(scope);
      const isTold = layer !== undefined && isText(layer.before, before) && isText(layer.after, after);
      if (!isTold) {
        broken(
          'CONFIG-8',
          `the layer ${scope || 'base'} of ${document} changed at revision ${revision}, and its history does not say so`,
        );
      }
    }
    const rollouts = [revision - 1, revision].map((one) => history.valueAt(keys.rollout(document), one));
    const hasRolled = rollouts[0]?.modRevision !== rollouts[1]?.modRevision;
    if (hasRolled && record?.rollout === undefined) {
      broken(
        'CONFIG-8',
        `the rollout of ${document} changed at revision ${revision}, and its history does not say so`,
      );
    }
    if (
      record !== undefined &&
      !documents.every((one) => records.has(one) === record.documents.includes(one))
    ) {
      broken(
        'CONFIG-8',
        `${document} was changed at revision ${revision} together with ${record.documents}, and those have no such history`,
      );
    }
  }
}

/** Layers that are others after a revision than before, and both. */
function changedLayers(state: ConfigState, document: string, revision: number) {
  const [before, after] = [state.layersAt(document, revision - 1), state.layersAt(document, revision)];
  const changed = new Map<string, readonly [KeyValue | undefined, KeyValue | undefined]>();
  for (const scope of new Set([...before.keys(), ...after.keys()])) {
    const both = [before.get(scope), after.get(scope)] as const;
    if (both[0]?.modRevision !== both[1]?.modRevision) changed.set(scope, both);
  }
  return changed;
}

function isText(told: Uint8Array | undefined, kv: KeyValue | undefined): boolean {
  if (told === undefined || kv === undefined) return told === kv;
  return textOf(told) === textOf(kv.value);
}

/** CONFIG-6: it found what it expected, and put what it was to put. */
function checkAsked(state: ConfigState, call: ConfigCall, revision: number): void {
  for (const { document, scope, revision: expected } of call.expected ?? []) {
    const found = state.layersAt(document, revision - 1).get(scope)?.modRevision ?? 0;
    if (found === expected) continue;
    broken(
      'CONFIG-6',
      `${described(call)} was to replace revision ${expected} of ${document}, and replaced ${found}`,
    );
  }
  for (const { document, scope, value } of call.layers ?? []) {
    const kv = state.layersAt(document, revision).get(scope);
    const put = kv === undefined ? null : JSON.parse(textOf(kv.value));
    if (canonical(put) === canonical(value)) continue;
    broken(
      'CONFIG-6',
      `${described(call)} was to make ${canonical(value)} of ${document}, and it is ${canonical(put)}`,
    );
  }
}

/** CONFIG-6: what its caller was told. */
function checkTold(state: ConfigState, call: ConfigCall, appliedAt: number | undefined): void {
  if (call.outcome !== 'done') return;
  if (appliedAt === undefined || appliedAt !== call.revision) {
    broken(
      'CONFIG-6',
      `${described(call)} was told revision ${call.revision}, and it was applied at ${appliedAt}`,
    );
  }
  const atMs = state.history.timeOf(appliedAt) ?? 0;
  if (atMs >= call.beganAtMs && atMs <= (call.endedAtMs ?? Number.POSITIVE_INFINITY)) return;
  broken('CONFIG-6', `${described(call)} was applied at ${milliseconds(atMs)}, outside its call`);
}

/** CONFIG-8: numbers follow one another. */
function checkNumber(
  { history, keys }: ConfigState,
  numbers: Map<string, number>,
  document: string,
  { number }: HistoryRecord,
  revision: number,
): void {
  const before = numbers.get(document) ?? 0;
  numbers.set(document, number);
  if (number !== before + 1) {
    broken('CONFIG-8', `revision ${revision} is change ${number} of ${document}, after change ${before}`);
  }
  const kv = history.valueAt(keys.history(document, number), revision);
  if (kv?.createRevision === revision) return;
  broken('CONFIG-8', `change ${number} of ${document} is not under its own key at revision ${revision}`);
}

/** CONFIG-5: what was rolled out, as it was seen, in the place of what it was made from; and it is over. */
function checkPromotion(state: ConfigState, call: ConfigCall, document: string, revision: number): void {
  const rollout = assertSeen(state, call, document, revision);
  for (const { scope, content, base } of rollout.layers) {
    const before = state.layersAt(document, revision - 1).get(scope)?.modRevision ?? 0;
    if (before !== base) {
      broken(
        'CONFIG-5',
        `${described(call)} replaced revision ${before} of ${document}, and the rollout was made from ${base}`,
      );
    }
    const after = state.layersAt(document, revision).get(scope);
    if (!isText(content, after)) {
      broken('CONFIG-5', `${described(call)} did not give to all what was rolled out of ${document}`);
    }
  }
  const others = [...changedLayers(state, document, revision).keys()].filter(
    (scope) => !rollout.layers.some((layer) => layer.scope === scope),
  );
  if (others.length > 0)
    broken('CONFIG-5', `${described(call)} changed the layers ${others} of ${document} too`);
  assertOver(state, call, document, revision);
}

/** CONFIG-5: for all of its documents at once. */
function checkEnded(
  state: ConfigState,
  call: ConfigCall,
  records: ReadonlyMap<string, HistoryRecord>,
  revision: number,
): void {
  for (const [document, { action }] of records) {
    if (action !== 'promote' && action !== 'abort' && action !== 'grow') continue;
    const left = state.rolloutAt(document, revision - 1)?.documents.filter((one) => !records.has(one)) ?? [];
    if (left.length === 0) continue;
    broken('CONFIG-5', `${described(call)} of the rollout of ${document} leaves out ${left}`);
  }
}

function checkAbort(state: ConfigState, call: ConfigCall, document: string, revision: number): void {
  assertSeen(state, call, document, revision);
  const changed = [...changedLayers(state, document, revision).keys()];
  if (changed.length > 0)
    broken('CONFIG-5', `${described(call)} changed the layers ${changed} of ${document}`);
  assertOver(state, call, document, revision);
}

/** CONFIG-4: a rollout grows, and becomes no other. */
function checkGrowth(state: ConfigState, call: ConfigCall, document: string, revision: number): void {
  const before = assertSeen(state, call, document, revision);
  const after = state.rolloutAt(document, revision);
  const isGrown =
    after?.id === before.id &&
    after.rule.percent >= before.rule.percent &&
    before.rule.instances.every((one) => after.rule.instances.includes(one)) &&
    before.rule.addresses.every((one) => after.rule.addresses.includes(one)) &&
    before.rule.labels.every((one) => after.rule.labels.some((other) => canonical(one) === canonical(other)));
  if (!isGrown) broken('CONFIG-4', `${described(call)} took the rollout of ${document} from some who had it`);
  if (canonical(after.layers) === canonical(before.layers)) return;
  broken('CONFIG-4', `${described(call)} made another rollout of that of ${document}`);
}

function assertSeen(state: ConfigState, call: ConfigCall, document: string, revision: number) {
  const rollout = state.rolloutAt(document, revision - 1);
  if (rollout !== undefined && rollout.revision === call.seen) return rollout;
  const found = rollout === undefined ? 'was over' : `was of revision ${rollout.revision}`;
  return broken(
    'CONFIG-5',
    `${described(call)} saw the rollout of ${document} of revision ${call.seen}, and it ${found}`,
  );
}

function assertOver(state: ConfigState, call: ConfigCall, document: string, revision: number): void {
  if (state.rolloutAt(document, revision) === undefined) return;
  broken('CONFIG-5', `${described(call)} left the rollout of ${document} standing`);
}

/** CONFIG-8: at the end as much is kept as is to be, and no more. */
function checkKeptHistory(state: ConfigState, document: string): void {
  const { history, keys } = state;
  const prefix: Key = keys.histories(document);
  const kept = history.rangeAt(prefixRange(prefix), history.lastRevision);
  const all = history.keysIn(prefixRange(prefix)).length;
  const { keep } = state.policyAt(document, history.lastRevision);
  const wrong = (what: string) => broken('CONFIG-8', `of ${all} changes of ${document} ${what}`);
  if (kept.length > keep) wrong(`${kept.length} are kept, and ${keep} are to be`);
  kept.forEach((kv, index) => {
    const number = all - kept.length + index + 1;
    if (kv.key !== keys.history(document, number)) wrong(`change ${number} is missing`);
  });
}

/** An id may be used for several calls, of which at most one is answered by a change. */
function nameOf(id: string, action: ConfigCall['do']): string {
  return `${action} ${id}`;
}

function described({ process, do: what, id }: ConfigCall): string {
  return `${process}'s ${what} ${id}`;
}
