import { describe, expect, it } from 'vitest';
import { channelKey, channelOf } from '../../../src/pubsub/channel/channel-keys.js';
import { Keyspace } from '../../../src/store/index.js';

describe('the key of a channel', () => {
  const keys = new Keyspace('n');

  it.each(['a', 'orders/€ 1', '100%', 'a b', '%41', '☃/m', "it's (new)!*"])('tells its name: %s', (name) => {
    expect(channelOf(keys, channelKey(keys, name))).toBe(name);
  });

  it.each([
    'n/channel/%41/m',
    'n/channel/a b/m',
    'n/channel/%/m',
    'n/channel/%e2%82%ac/m',
    'n/channel/a/b/m',
    'n/channel//m',
  ])('CHANNEL-6 is of no channel if it is written otherwise: %s', (key) => {
    expect(channelOf(keys, key)).toBeUndefined();
  });
});
