import { invalidArgument, QuorateError } from '../../errors.js';
import type { TimeLeft, WaitOptions } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import type { KeyRange, KeyValue } from '../../store/index.js';
import type { ConfigDocument } from '../document.js';
import type { ConfigKeys } from '../keys.js';
import { type Layers, rolledOut } from '../layering.js';
import { decodeHead, type HeadRecord } from '../records/head.js';
import { decodeHistory, type HistoryRecord } from '../records/history.js';
import type { Scope } from '../scope.js';
import { type DocumentState, readOnly } from './document-state.js';

/** A change of a document, as its history has it. Contents are JSON values; bytes for a document with a codec of its own. */
export interface ConfigHistoryEntry extends Omit<HistoryRecord, 'layers' | 'rollout'> {
  /** That applied it. */
  readonly revision: number;
  readonly layers: readonly { readonly scope: Scope; readonly before: unknown; readonly after: unknown }[];
  readonly rollout?: Omit<NonNullable<HistoryRecord['rollout']>, 'layers'> & {
    readonly layers: readonly { readonly scope: Scope; readonly content: unknown }[];
  };
}

interface HistoryParts {
  readonly client: Client;
  readonly keys: ConfigKeys;
}

/** Changes that are read at a time. */
const pageSize = 20;

/** The newest first, as many as are kept; a page at a time. What is deleted meanwhile is left out. */
export async function* historyOf(
  { client, keys }: HistoryParts,
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

/**
 * The layers that were another after the change of this number: what they were then; undefined: they were not there. Every change since
 * is undone, a page of the history at a time, so it takes no more of it than that. Throws `invalid-argument` where that is not kept.
 */
export async function layersThen(
  parts: HistoryParts,
  state: DocumentState,
  number: number,
  left: TimeLeft,
): Promise<ReadonlyMap<Scope, Uint8Array | undefined>> {
  const { name, head, layers } = state;
  assertKept(name, head, number);
  const then = new Map<Scope, Uint8Array | undefined>();
  for (let to = head.number; to > number; to -= pageSize) {
    const from = Math.max(number + 1, to - pageSize + 1);
    for (const kv of await changesBetween(parts, name, { from, to }, left)) {
      for (const { scope, before } of decodeHistory(kv.value).layers) then.set(scope, before);
    }
  }
  for (const [scope, content] of then) {
    if (isSameContent(content, layers.get(scope))) then.delete(scope);
  }
  return then;
}

/** The newest first. What is written there is never written again, so it does not matter when it is read. */
async function changesBetween(
  { client, keys }: HistoryParts,
  name: string,
  { from, to }: { readonly from: number; readonly to: number },
  left: TimeLeft,
): Promise<readonly KeyValue[]> {
  const read = (range: KeyRange) => readOnly(() => client.store.range(range, left.all()));
  const { kvs } = await read(keys.historyBetween(name, from, to));
  if (kvs.length === to - from + 1) return [...kvs].reverse();
  // Somebody has changed the document meanwhile, and deleted what is too much.
  const [head] = (await read({ key: keys.head(name) })).kvs;
  if (head !== undefined) assertKept(name, decodeHead(head.value), from - 1);
  throw new QuorateError('codec', `the history of document ${JSON.stringify(name)} has gaps`);
}

function assertKept(name: string, { first, number: last }: HeadRecord, number: number): void {
  if (number <= last && number >= first - 1) return;
  throw invalidArgument(
    `there is no change ${number} of document ${JSON.stringify(name)} to go by`,
    `a number from ${first - 1} to ${last}`,
  );
}

/** All layers as they were then. */
export async function stateThen(
  parts: HistoryParts,
  state: DocumentState,
  number: number,
  left: TimeLeft,
): Promise<Layers> {
  const then = [...(await layersThen(parts, state, number, left))];
  return rolledOut(
    state.layers,
    then.map(([scope, content]) => ({ scope, content })),
  );
}

function isSameContent(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return Buffer.compare(one, other) === 0;
}
