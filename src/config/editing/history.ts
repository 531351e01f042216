import { invalidArgument, QuorateError } from '../../errors.js';
import type { WaitOptions } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import type { KeyValue, RangeOp } from '../../store/index.js';
import type { ConfigDocument } from '../document.js';
import type { ConfigKeys } from '../keys.js';
import { rolledOut } from '../layering.js';
import { decodeHead } from '../records/head.js';
import { decodeHistory, type HistoryRecord } from '../records/history.js';
import type { Scope } from '../scope.js';
import type { DocumentState } from './document-state.js';
import type { DocumentPlan } from './plan.js';

/** A change of a document, as its history has it. Contents are JSON values; bytes for a document with a codec of its own. */
export interface ConfigHistoryEntry extends Omit<HistoryRecord, 'layers' | 'rollout'> {
  /** That applied it. */
  readonly revision: number;
  readonly layers: readonly { readonly scope: Scope; readonly before: unknown; readonly after: unknown }[];
  readonly rollout?: Omit<NonNullable<HistoryRecord['rollout']>, 'layers'> & {
    readonly layers: readonly { readonly scope: Scope; readonly content: unknown }[];
  };
}

/** Changes that are read at a time. */
const pageSize = 20;

/** The newest first, as many as are kept; a page at a time. What is deleted meanwhile is left out. */
export async function* historyOf(
  { client, keys }: { readonly client: Client; readonly keys: ConfigKeys },
  document: ConfigDocument<unknown>,
  options: WaitOptions & { readonly limit: number },
): AsyncGenerator<ConfigHistoryEntry, void, void> {
  const { name } = document;
  const wait = { signal: options.signal, timeoutMs: options.timeoutMs };
  const {
    kvs: [head],
  } = await client.store.range({ key: keys.head(name) }, wait);
  if (head === undefined) return;
  const { first, number } = decodeHead(head.value);
  let left = options.limit;
  for (let to = number; to >= first && left > 0; to -= pageSize) {
    const from = Math.max(first, to - Math.min(pageSize, left) + 1);
    const { kvs } = await client.store.range(keys.historyBetween(name, from, to), wait);
    for (const kv of [...kvs].reverse()) yield entryOf(document, kv);
    left -= pageSize;
  }
}

export function entryOf(document: ConfigDocument<unknown>, kv: KeyValue): ConfigHistoryEntry {
  const { layers, rollout, ...known } = decodeHistory(kv.value);
  return {
    ...{ ...known, revision: kv.createRevision },
    layers: layers.map(({ scope, before, after }) => ({
      ...{ scope, before: document.readable(before), after: document.readable(after) },
    })),
    ...(rollout === undefined
      ? {}
      : {
          rollout: {
            ...rollout,
            layers: rollout.layers.map(({ scope, content }) => ({
              scope,
              content: document.readable(content),
            })),
          },
        }),
  };
}

/** What must be read to know what a document was after the change of this number. */
export function changesAfter(keys: ConfigKeys, name: string, number: number): RangeOp {
  return { type: 'range', ...keys.historyFrom(name, number + 1) };
}

/**
 * The layers that were another after the change of this number: what they were then; undefined: they were not there. Every change since
 * is undone, so it takes no more of the history than that. Throws `invalid-argument` where that is not kept.
 */
export function layersThen(
  { name, head, layers }: DocumentState,
  number: number,
  since: readonly KeyValue[],
): ReadonlyMap<Scope, Uint8Array | undefined> {
  if (number > head.number || number < head.first - 1) {
    throw invalidArgument(
      `there is no change ${number} of document ${JSON.stringify(name)} to go by`,
      `a number from ${head.first - 1} to ${head.number}`,
    );
  }
  if (since.length !== head.number - number) {
    throw new QuorateError('codec', `the history of document ${JSON.stringify(name)} has gaps`);
  }
  const then = new Map<Scope, Uint8Array | undefined>();
  for (const kv of [...since].reverse()) {
    for (const { scope, before } of decodeHistory(kv.value).layers) then.set(scope, before);
  }
  for (const [scope, content] of then) {
    if (isSameContent(content, layers.get(scope))) then.delete(scope);
  }
  return then;
}

/** All layers as they were then. */
export function stateThen(state: DocumentState, number: number, since: readonly KeyValue[]) {
  const then = [...layersThen(state, number, since)].map(([scope, content]) => ({ scope, content }));
  return rolledOut(state.layers, then);
}

/** What makes the document again what it was after that number. */
export function planRollback(state: DocumentState, number: number, since: readonly KeyValue[]): DocumentPlan {
  const layers = layersThen(state, number, since);
  return { name: state.name, layers, told: { rolledBackTo: number } };
}

function isSameContent(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return Buffer.compare(one, other) === 0;
}
