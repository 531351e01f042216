/** The log of a topic as its history has it: every message that was ever put, by partition and in order. */

import { decodeFrame } from '../pubsub/topic/frame.js';
import { listedFrame } from '../pubsub/topic/frame-name.js';
import { TopicKeys } from '../pubsub/topic/keys.js';
import { isAfter, type Position } from '../pubsub/topic/position.js';
import { textOf } from '../store/index.js';
import type { History } from './history.js';

export interface LoggedText extends Position {
  readonly partition: number;
  readonly key: string | undefined;
  /** Written once, so that it names the message. */
  readonly text: string;
  /** How many messages of the partition there were up to it. */
  readonly ordinal: number;
  /** The revision that removed it; infinity if it is there still. */
  readonly removedAt: number;
  /** The segment that it was put into. */
  readonly segment: number;
}

export class TopicLog {
  readonly keys: TopicKeys;
  readonly partitions: readonly (readonly LoggedText[])[];
  readonly #byText = new Map<string, LoggedText[]>();

  constructor(history: History, prefix: string, partitions: number) {
    this.keys = new TopicKeys(prefix);
    this.partitions = Array.from({ length: partitions }, (_, partition) => this.#read(history, partition));
    for (const logged of this.partitions.flat()) {
      const same = this.#byText.get(logged.text);
      if (same === undefined) this.#byText.set(logged.text, [logged]);
      else same.push(logged);
    }
  }

  get all(): readonly LoggedText[] {
    return this.partitions.flat();
  }

  withText(text: string): readonly LoggedText[] {
    return this.#byText.get(text) ?? [];
  }

  at(partition: number, { revision, index }: Position): LoggedText | undefined {
    const found = this.partitions[partition]?.find((one) => one.revision === revision && one.index === index);
    return found;
  }

  /** Those after one place, up to and including another. */
  between(partition: number, after: Position, upTo: Position): readonly LoggedText[] {
    const messages = this.partitions[partition] ?? [];
    return messages.filter((one) => isAfter(one, after) && !isAfter(one, upTo));
  }

  #read(history: History, partition: number): readonly LoggedText[] {
    const frames = history.keysIn(this.keys.partition(partition)).flatMap((key) => {
      const puts = history.eventsOf(key).filter(({ type }) => type === 'put');
      return puts.map(({ kv }) => ({ kv, removedAt: history.firstDeletion(key, kv.modRevision)?.revision }));
    });
    frames.sort((one, other) => one.kv.modRevision - other.kv.modRevision);
    let ordinal = 0;
    return frames.flatMap(({ kv, removedAt = Number.POSITIVE_INFINITY }) => {
      if (listedFrame(kv) === undefined) return [];
      const [, segment = ''] = /([0-9a-f]+)\/[^/]+$/.exec(kv.key) ?? [];
      return decodeFrame(kv.value).map(({ key, payload }, index): LoggedText => {
        ordinal += 1;
        const place = { partition, revision: kv.modRevision, index, ordinal };
        return { ...place, key, text: textOf(payload), removedAt, segment: Number.parseInt(segment, 16) };
      });
    });
  }
}
