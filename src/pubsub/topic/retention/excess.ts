import type { Retention } from '../description.js';
import type { ListedFrame } from '../frame-name.js';

/** What there is of a partition, from the frame on that is looked at. */
export interface Total {
  readonly messages: number;
  readonly bytes: number;
}

/** Whether the oldest frame may have to go; `oldestMs` is its age by the clock of its publisher. */
export function mayExceed(
  { maxMessages, maxBytes, maxAgeMs }: Retention,
  { messages, bytes }: Total,
  oldestMs: number,
  nowMs: number,
): boolean {
  return (
    (maxMessages !== undefined && messages > maxMessages) ||
    (maxBytes !== undefined && bytes > maxBytes) ||
    (maxAgeMs !== undefined && oldestMs < nowMs - maxAgeMs)
  );
}

/** Those of the frames, which are the oldest of a partition that has so much in all, that are not to be retained. */
export function excessOf(
  retention: Retention,
  total: Total,
  frames: readonly ListedFrame[],
  nowMs: number,
): readonly ListedFrame[] {
  const { maxMessages, maxBytes, maxAgeMs } = retention;
  let { messages, bytes } = total;
  let latestMs = 0;
  const kept = frames.findIndex((frame) => {
    latestMs = Math.max(latestMs, frame.publishedAtMs);
    const left = messages - frame.messages;
    const isBeyond =
      // The newest `maxMessages` are kept, and with them the rest of the frame that crosses the limit.
      (maxMessages !== undefined && left >= maxMessages) ||
      (maxBytes !== undefined && bytes > maxBytes && left > 0) ||
      (maxAgeMs !== undefined && latestMs < nowMs - maxAgeMs);
    if (!isBeyond) return true;
    messages = left;
    bytes -= frame.bytes;
    return false;
  });
  return kept < 0 ? frames : frames.slice(0, kept);
}
