import { describe, expect, it } from 'vitest';
import { BandwidthProbe } from '../../../src/etcd3/transport/http2/bandwidth-probe.js';
import { ManualRuntime } from '../../support/manual-runtime.js';

const probePing = Buffer.from([2, 4, 16, 16, 9, 14, 7, 7]);
const otherPing = Buffer.from([1, 6, 1, 8, 0, 3, 3, 9]);

function probed() {
  const runtime = new ManualRuntime();
  const answers: { ms: number; payload: Buffer }[] = [];
  const beganMs = runtime.monotonicMs();
  const probe = new BandwidthProbe(runtime, (payload) => {
    answers.push({ ms: runtime.monotonicMs() - beganMs, payload: Buffer.from(payload) });
  });
  return { runtime, answers, probe };
}

describe('the answer to a ping that measures bandwidth', () => {
  it('waits 100 ms on a connection of small requests', async () => {
    const { runtime, answers, probe } = probed();
    probe.pinged(Buffer.from(probePing));
    probe.sent(500);
    await runtime.advance(99);
    expect(answers).toEqual([]);
    await runtime.advance(1);
    expect(answers).toEqual([{ ms: 100, payload: probePing }]);
    await runtime.advance(1_000);
    expect(answers).toHaveLength(1);
  });

  it('is that of ten a second to a client of a request each millisecond', async () => {
    const { runtime, answers, probe } = probed();
    // A server pings at the first data after an answer.
    let open = 0;
    for (let ms = 0; ms < 1_000; ms += 1) {
      probe.sent(50);
      if (open === answers.length) {
        open += 1;
        probe.pinged(Buffer.from(probePing));
      }
      await runtime.advance(1);
    }
    expect(answers).toHaveLength(10);
  });

  it('leaves at once where much is sent: before it, or while it waits', () => {
    const { answers, probe } = probed();
    probe.sent(40_000);
    probe.pinged(Buffer.from(probePing));
    expect(answers).toHaveLength(1);
    probe.sent(1_000);
    probe.pinged(Buffer.from(probePing));
    expect(answers).toHaveLength(1);
    probe.sent(40_000);
    expect(answers).toHaveLength(2);
    probe.sent(40_000);
    expect(answers).toHaveLength(2);
  });

  it('is given to each, if a server asks again before it had it', async () => {
    const { runtime, answers, probe } = probed();
    probe.pinged(Buffer.from(probePing));
    await runtime.advance(50);
    probe.pinged(Buffer.from(probePing));
    expect(answers.map(({ ms }) => ms)).toEqual([50]);
    await runtime.advance(1_000);
    expect(answers.map(({ ms }) => ms)).toEqual([50, 150]);
  });

  it('is none of a connection that has ended', async () => {
    const { runtime, answers, probe } = probed();
    probe.pinged(Buffer.from(probePing));
    probe.stop();
    probe.sent(1_000_000);
    await runtime.advance(1_000);
    expect(answers).toEqual([]);
  });
});

describe('the answer to any other ping', () => {
  it('leaves at once, beside one that waits too', async () => {
    const { runtime, answers, probe } = probed();
    probe.pinged(Buffer.from(probePing));
    probe.pinged(Buffer.from(otherPing));
    expect(answers).toEqual([{ ms: 0, payload: otherPing }]);
    await runtime.advance(100);
    expect(answers).toHaveLength(2);
  });
});
