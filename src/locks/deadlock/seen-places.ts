/**
 * The places of all mutexes and read-write locks of a namespace, at one revision.
 *
 * A mutex's place, and each one of a set, is `lock/{name}/l/{stem}`. Of a read-write lock, `rwlock/{name}/l/`, a reader's is
 * `r/{stem}`; whoever writes or is about to has `w/{stem}` too, and waits for what is older than *that* key: it comes at the
 * same revision as the read key, but for a reader that upgrades, whose read key proves nothing of whom it waits for. So
 * the write key tells the rank of both. Semaphores are not among them: who waits there waits for any of the holders.
 */
import { decodePlace } from '../../line/index.js';
import type { Client } from '../../session/index.js';
import {
  type CallOptions,
  getPrefix,
  type Key,
  type KeyValue,
  nameOfSegment,
  prefixRange,
  type RangeReply,
} from '../../store/index.js';
import type { PlaceMode, SeenPlace } from './wait-graph.js';

/** A place, and the id of the session that it goes with. */
export interface StandingPlace extends SeenPlace {
  readonly session: string;
}

export interface SeenPlaces {
  /** Of the store. */
  readonly revision: number;
  readonly places: readonly StandingPlace[];
  /** There are more keys than one read takes, and the rest was not read. */
  readonly isPartial: boolean;
}

export interface SeePlacesOptions extends CallOptions {
  /** Reads on, at the same revision, where one read does not take all. Default false. */
  readonly all?: boolean;
}

/** Keys of each type that one read takes. */
export const keysOfOneRead = 5_000;

const types = ['lock', 'rwlock'] as const;
type LockType = (typeof types)[number];

/** One transaction that only reads, whatever stands there up to its limit. Errors as the store's. */
export async function seePlaces(client: Client, options: SeePlacesOptions = {}): Promise<SeenPlaces> {
  const { all = false, ...call } = options;
  const prefixes = types.map((type) => client.keys.typePrefix(type));
  const success = prefixes.map((prefix) => getPrefix(prefix, { limit: keysOfOneRead }));
  const { revision, replies } = await client.store.txn({ compare: [], success, failure: [] }, call);
  const places: StandingPlace[] = [];
  let isPartial = false;
  for (const [index, type] of types.entries()) {
    const prefix = prefixes[index] as Key;
    const { kvs, more } = replies[index] as RangeReply;
    const rest = more && all ? await readOn(client, { prefix, kvs, revision, call }) : [];
    isPartial ||= more && !all;
    places.push(...placesOf(type, prefix, [...kvs, ...rest]));
  }
  return { revision, places, isPartial };
}

interface ReadOn {
  readonly prefix: Key;
  readonly kvs: readonly KeyValue[];
  readonly revision: number;
  readonly call: CallOptions;
}

/** What comes after these keys. */
async function readOn(client: Client, { prefix, kvs, revision, call }: ReadOn): Promise<KeyValue[]> {
  const { rangeEnd } = prefixRange(prefix);
  const found: KeyValue[] = [];
  let last = kvs.at(-1);
  while (last !== undefined) {
    const rest = { key: `${last.key}\0`, rangeEnd, limit: keysOfOneRead, revision };
    const page = await client.store.range(rest, call);
    for (const kv of page.kvs) found.push(kv);
    last = page.more ? page.kvs.at(-1) : undefined;
  }
  return found;
}

interface Standing {
  readonly place: StandingPlace;
  /** Tells a place of its line from the others. */
  readonly stem: string;
}

function placesOf(type: LockType, prefix: Key, kvs: readonly KeyValue[]): readonly StandingPlace[] {
  const standing = kvs.flatMap((kv) => placeOf(type, kv, kv.key.slice(prefix.length)) ?? []);
  const writers = new Set(
    standing.flatMap(({ place, stem }) => (place.mode === 'write' ? [`${place.lock} ${stem}`] : [])),
  );
  return standing
    .filter(({ place, stem }) => place.mode !== 'read' || !writers.has(`${place.lock} ${stem}`))
    .map(({ place }) => place);
}

/** `path`: the key without what is before the name. Undefined for what is no place. */
function placeOf(type: LockType, kv: KeyValue, path: string): Standing | undefined {
  const [segment = '', line, ...rest] = path.split('/');
  const stem = rest.at(-1) ?? '';
  const mode = modeOf(type, rest);
  const name = nameOfSegment(segment);
  const said = decodePlace(kv);
  if (line !== 'l' || mode === undefined || name === undefined || said === undefined) return undefined;
  const { key, createRevision: revision } = kv;
  const { owner, session } = said.record;
  return { stem, place: { lock: `${type}/${name}`, key, revision, owner, session, mode } };
}

function modeOf(type: LockType, rest: readonly string[]): PlaceMode | undefined {
  if (type === 'lock') return rest.length === 1 ? 'exclusive' : undefined;
  if (rest.length !== 2) return undefined;
  if (rest[0] === 'r') return 'read';
  return rest[0] === 'w' ? 'write' : undefined;
}
