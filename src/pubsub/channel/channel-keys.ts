import {
  checkName,
  type Key,
  type KeyRange,
  type Keyspace,
  nameOfSegment,
  prefixRange,
  segmentOf,
} from '../../store/index.js';

const suffix = '/m';

/** The key of a channel. */
export function channelKey(keys: Keyspace, name: string): Key {
  return keys.prefix('channel', name).slice(0, -1) + suffix;
}

/** The range of the keys of all channels whose names begin so; of all at all for the empty text. */
export function channelsRange(keys: Keyspace, namePrefix: string): Required<KeyRange> {
  if (namePrefix !== '') checkName(namePrefix, 'prefix');
  // Escaped character by character, so what a name begins with its segment begins with.
  return prefixRange(keys.typePrefix('channel') + segmentOf(namePrefix));
}

/** The channel of a key; undefined for a key of another shape. */
export function channelOf(keys: Keyspace, key: Key): string | undefined {
  const prefix = keys.typePrefix('channel');
  if (!key.startsWith(prefix) || !key.endsWith(suffix)) return undefined;
  const segment = key.slice(prefix.length, -suffix.length);
  return segment === '' ? undefined : nameOfSegment(segment);
}
