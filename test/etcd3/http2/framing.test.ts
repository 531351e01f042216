import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameReader } from '../../../src/etcd3/transport/http2/frame-reader.js';
import { MessageSplitter } from '../../../src/etcd3/transport/http2/message-splitter.js';
import { propertyRuns } from '../../support/property-runs.js';
import { frameOf, messageOf } from './raw-server.js';

/** The bytes in pieces, cut at the given places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1))), bytes.length].sort(
    (a, b) => a - b,
  );
  return ends.map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end));
}

const places = fc.array(fc.nat(), { maxLength: 30 });
const text = fc.oneof(
  fc.string({ unit: 'binary-ascii', maxLength: 40 }),
  fc.nat({ max: 16_000 }).map((n) => 'x'.repeat(n)),
);

describe('however the bytes are cut', () => {
  it('frames are read whole and in order', () => {
    const frame = fc.record({ type: fc.nat(9), flags: fc.nat(255), id: fc.nat(2 ** 31 - 1), text });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), places, (frames, cuts) => {
        const bytes = Buffer.concat(
          frames.map((one) => frameOf(one.type, one.flags, one.id, Buffer.from(one.text))),
        );
        const reader = new FrameReader();
        const read: unknown[] = [];
        for (const piece of cut(bytes, cuts)) {
          reader.read(piece, (type, flags, id, payload) =>
            read.push({ type, flags, id, text: payload.toString() }),
          );
        }
        expect(read).toEqual(frames);
      }),
      propertyRuns(200),
    );
  });

  it('messages are read whole and in order', () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 8 }), places, (messages, cuts) => {
        const bytes = Buffer.concat(messages.map(messageOf));
        const splitter = new MessageSplitter();
        const read: string[] = [];
        for (const piece of cut(bytes, cuts))
          splitter.read(piece, (message) => read.push(message.toString()));
        expect(read).toEqual(messages);
        expect(splitter.within).toBe(false);
      }),
      propertyRuns(200),
    );
  });

  it('a message that has begun is known to be unfinished', () => {
    const splitter = new MessageSplitter();
    for (const byte of messageOf('abc').subarray(0, 7)) {
      splitter.read(Buffer.from([byte]), () => expect.unreachable());
      expect(splitter.within).toBe(true);
    }
  });
});
