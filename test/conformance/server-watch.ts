/**
 * Watches as the server itself serves them, in the form of the port's. The stores ask for a revision more than they
 * tell of and reconnect, so what a server says at the very edge of compaction is seen only here.
 */
import type { Engine } from '../../src/engine/index.js';
import { invalidArgument, isQuorateError, QuorateError } from '../../src/errors.js';
import {
  type KeyEvent,
  type KeyValue,
  type Watch,
  type WatchItem,
  WatchItems,
  type WatchRequest,
} from '../../src/store/index.js';
import { bytes, type RawClient } from '../embedded/raw-client.js';

/** An error ends a watch, and so does a gap in history. */
function take(items: WatchItems, item: WatchItem | QuorateError): void {
  if (item instanceof QuorateError) {
    items.fail(item);
    return;
  }
  items.push(item);
  if (item.type === 'compacted') items.end();
}

export function watchEngine(engine: Engine, request: WatchRequest): Watch {
  let watch: { close(): void } | undefined;
  const items = new WatchItems({ closed: () => watch?.close() });
  try {
    watch = engine.watch(request, (item) => {
      // How far the store is by then is the driver's to tell.
      const { headerRevision: _, ...rest } = { headerRevision: 0, ...item };
      take(items, rest);
    });
  } catch (error) {
    take(items, isQuorateError(error) ? error : new QuorateError('internal', String(error)));
  }
  return items;
}

interface WireKeyValue {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly create_revision: string;
  readonly mod_revision: string;
  readonly version: string;
  readonly lease: string;
}

interface WireResponse {
  readonly header: { readonly revision: string };
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compact_revision: string;
  readonly cancel_reason: string;
  readonly events: readonly {
    readonly type: 'Put' | 'Delete';
    readonly kv: WireKeyValue;
    readonly prev_kv: WireKeyValue | null;
  }[];
}

/** On a stream of its own. */
export function watchRaw(client: RawClient, request: WatchRequest): Watch {
  const { raw } = client.stream('Watch', 'Watch');
  const items = new WatchItems({ closed: () => raw.cancel() });
  raw.on('data', (response: WireResponse) => {
    for (const item of itemsOf(response, request)) take(items, item);
    if (response.canceled) raw.cancel();
  });
  raw.write({
    create_request: {
      key: bytes(request.key),
      range_end: bytes(request.rangeEnd ?? ''),
      start_revision: request.fromRevision ?? 0,
      prev_kv: request.prevKv ?? false,
      filters: (request.without ?? []).map((kind) => (kind === 'put' ? 'Noput' : 'Nodelete')),
    },
  });
  return items;
}

function* itemsOf(
  response: WireResponse,
  { fromRevision = 0 }: WatchRequest,
): Generator<WatchItem | QuorateError> {
  if (response.canceled && response.compact_revision !== '0') {
    yield { type: 'compacted', fromRevision, compactRevision: Number(response.compact_revision) };
  } else if (response.canceled) {
    yield invalidArgument(
      `a watch refused with ${JSON.stringify(response.cancel_reason)}`,
      'a range with keys',
    );
  } else if (response.created) {
    yield { type: 'opened', revision: Number(response.header.revision) };
  }
  const events = response.events.map(eventOf);
  const last = events.at(-1);
  if (last !== undefined) yield { type: 'events', revision: last.kv.modRevision, events };
}

function eventOf({ type, kv, prev_kv }: WireResponse['events'][number]): KeyEvent {
  const event = { type: type === 'Put' ? 'put' : 'delete', kv: keyValueOf(kv) } as const;
  return prev_kv === null ? event : { ...event, prevKv: keyValueOf(prev_kv) };
}

function keyValueOf(kv: WireKeyValue): KeyValue {
  return {
    key: kv.key.toString('latin1'),
    value: kv.value,
    createRevision: Number(kv.create_revision),
    modRevision: Number(kv.mod_revision),
    version: Number(kv.version),
    lease: kv.lease,
  };
}
