/** What was published, as the store's history has it: message by message. */

import { channelOf } from '../pubsub/channel/channel-keys.js';
import { decodeFrame } from '../pubsub/channel/frame.js';
import { type Keyspace, textOf } from '../store/index.js';
import type { History } from './history.js';

/** One message of the log. */
export interface LoggedMessage {
  readonly channel: string;
  readonly revision: number;
  readonly index: number;
  /** Its bytes, as text. Undefined: no channel wrote what stands there. */
  readonly text: string | undefined;
}

/** In the order in which subscribers are told. */
export function logOf(history: History, keys: Keyspace): readonly LoggedMessage[] {
  const log: LoggedMessage[] = [];
  for (const { revision, events } of history.entries) {
    for (const { type, kv } of events) {
      const channel = type === 'put' ? channelOf(keys, kv.key) : undefined;
      if (channel === undefined) continue;
      const texts = textsIn(kv.value);
      for (const [index, text] of texts.entries()) log.push({ channel, revision, index, text });
    }
  }
  return log;
}

function textsIn(value: Uint8Array): readonly (string | undefined)[] {
  try {
    return decodeFrame(value).map(textOf);
  } catch {
    return [undefined];
  }
}
