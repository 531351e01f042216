import { invalidArgument, shown } from '../../errors.js';
import { checkCodec, checkSchema } from '../../payload/index.js';
import { checkWaitOptions, defaultTimeoutMs } from '../../runtime/index.js';
import { jsonCodec } from '../../store/index.js';
import type { ChannelItem, ChannelOptions, ChannelPosition, SubscribeOptions, WhenFull } from './types.js';

const defaultBufferSize = 1_024;
const mostBufferSize = 65_536;
const policies: readonly unknown[] = ['wait', 'drop-oldest', 'fail'];

/** What a subscription is made with, checked. */
export interface SubscribeSettings<T> {
  readonly after: ChannelPosition | undefined;
  readonly whenFull: WhenFull;
  readonly bufferSize: number;
  readonly onItem: ((item: ChannelItem<T>) => unknown) | undefined;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number;
}

/** Fills in the default; refuses what makes no sense with `invalid-argument`. */
export function checkChannelOptions<T>(options: ChannelOptions<T>) {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgument(`options are of type ${typeof options}`, 'an object with codec or schema, or none');
  }
  const { codec = jsonCodec<T>(), schema } = options;
  checkCodec(codec);
  checkSchema(schema);
  return { codec, schema };
}

/** Fills in the defaults; refuses what makes no sense with `invalid-argument`. `channel`: the one that it is about, if it is one. */
export function checkSubscribeOptions<T>(
  options: SubscribeOptions<T>,
  channel: string | undefined,
  doing: string,
): SubscribeSettings<T> {
  checkWaitOptions(options, doing);
  const { whenFull = 'wait', bufferSize = defaultBufferSize, onItem } = options;
  if (!policies.includes(whenFull)) {
    throw invalidArgument(`whenFull is ${shown(whenFull)}`, "'wait', 'drop-oldest' or 'fail'");
  }
  if (!(Number.isInteger(bufferSize) && bufferSize >= 1 && bufferSize <= mostBufferSize)) {
    throw invalidArgument(`bufferSize is ${shown(bufferSize)}`, `a whole number from 1 to ${mostBufferSize}`);
  }
  if (onItem !== undefined && typeof onItem !== 'function') {
    throw invalidArgument(`onItem is of type ${typeof onItem}`, 'a function, or none');
  }
  return {
    ...{ whenFull, bufferSize, onItem, signal: options.signal },
    after: options.after === undefined ? undefined : positionOf(options.after, channel),
    timeoutMs: options.timeoutMs ?? defaultTimeoutMs,
  };
}

function positionOf(given: unknown, channel: string | undefined): ChannelPosition {
  if (typeof given === 'number') return positionOf({ revision: given }, channel);
  const { revision, index, ...rest } = (given ?? {}) as Partial<ChannelPosition>;
  const isCount = (count: unknown) => Number.isSafeInteger(count) && (count as number) >= 0;
  if (!isCount(revision)) {
    throw invalidArgument(
      `after is ${typeof given === 'object' ? 'no position' : shown(given)}`,
      'a position, or a revision from 0',
    );
  }
  if (index === undefined) return { revision: revision as number };
  if (!isCount(index))
    throw invalidArgument(`the index of after is ${shown(index)}`, 'a whole number from 0');
  const of = rest.channel ?? channel;
  if (typeof of !== 'string') {
    throw invalidArgument('after names no channel', 'a position with its channel, or without an index');
  }
  if (channel !== undefined && of !== channel) {
    throw invalidArgument(
      `after is a position of channel ${JSON.stringify(of)}`,
      `one of ${JSON.stringify(channel)}, or a revision`,
    );
  }
  return { revision: revision as number, index, channel: of };
}
