import { describe, expect, it } from 'vitest';
import { decodeFrame, encodeFrame, frameOverhead } from '../../../src/pubsub/channel/frame.js';
import { bytesOf, textOf } from '../../../src/store/index.js';

describe('frames', () => {
  it.each([0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152])('carry a message of %i bytes', (length) => {
    const message = new Uint8Array(length).fill(7);
    const frame = encodeFrame([message, bytesOf('behind')]);
    expect(frame.length).toBeLessThanOrEqual(length + 6 + frameOverhead(2));
    const [first, second, ...others] = decodeFrame(frame);
    expect(Buffer.compare(first ?? new Uint8Array(), message)).toBe(0);
    expect(textOf(second ?? new Uint8Array())).toBe('behind');
    expect(others).toEqual([]);
  });

  it('carry many, in order', () => {
    const texts = Array.from({ length: 1_000 }, (_none, index) => 'x'.repeat(index % 200) + index);
    expect(decodeFrame(encodeFrame(texts.map(bytesOf))).map(textOf)).toEqual(texts);
  });

  it.each([
    ['nothing', new Uint8Array()],
    ['text of another program', bytesOf('{"a":1}')],
    ['a later format', Uint8Array.of(2, 1, 65)],
    ['no message', Uint8Array.of(1)],
    ['a message that is cut off', Uint8Array.of(1, 1, 65, 3, 65, 66)],
    ['a length that is cut off', Uint8Array.of(1, 0x80)],
    ['a length that never ends', Uint8Array.of(1, 0x80, 0x80, 0x80, 0x80, 0x80, 1)],
  ])('%s is refused as a whole', (_what, value) => {
    expect(() => decodeFrame(value)).toThrow(expect.objectContaining({ code: 'codec' }));
  });
});
