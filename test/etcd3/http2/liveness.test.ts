import { describe, expect, it } from 'vitest';
import { Liveness } from '../../../src/etcd3/transport/http2/liveness.js';
import { ManualRuntime, settle } from '../../support/manual-runtime.js';

function watched(answers: boolean) {
  const runtime = new ManualRuntime();
  const pings: number[] = [];
  const startMs = runtime.monotonicMs();
  const nowMs = () => runtime.monotonicMs() - startMs;
  let diedMs: number | undefined;
  const liveness: Liveness = new Liveness(
    runtime,
    () => {
      pings.push(nowMs());
      // It is heard a little later, as it is on any network.
      if (answers) runtime.setTimer(1, () => liveness.heard());
    },
    () => {
      diedMs = nowMs();
    },
  );
  return { runtime, liveness, pings, nowMs, died: () => diedMs };
}

describe('a connection with calls', () => {
  it('is pinged after 8 s of silence, and given up 3 s later', async () => {
    const { runtime, liveness, pings, died } = watched(false);
    liveness.busy(true);
    await runtime.advance(7_900);
    expect(pings).toEqual([]);
    await runtime.advance(20_000);
    expect(pings).toEqual([8_000]);
    expect(died()).toBe(11_000);
  });

  it('B13 is never pinged twice within 5 s, and lives as long as it is answered', async () => {
    const { runtime, liveness, pings, died } = watched(true);
    for (let round = 0; round < 200; round += 1) {
      liveness.busy(round % 3 !== 0);
      if (round % 5 === 0) liveness.heard();
      await runtime.advance((round * 613) % 2_900);
    }
    liveness.busy(true);
    await runtime.advance(60_000);
    expect(died()).toBeUndefined();
    expect(pings.length).toBeGreaterThan(10);
    for (const [index, ms] of pings.slice(1).entries())
      expect(ms - (pings[index] ?? 0)).toBeGreaterThan(5_000);
  });

  it('is not pinged while there is something to be heard', async () => {
    const { runtime, liveness, pings } = watched(true);
    liveness.busy(true);
    for (let round = 0; round < 50; round += 1) {
      await runtime.advance(1_000);
      liveness.heard();
    }
    expect(pings).toEqual([]);
  });

  it('that was heard while the process stood still is not given up', async () => {
    const { runtime, liveness, pings, died } = watched(false);
    liveness.busy(true);
    await runtime.advance(8_000);
    expect(pings).toHaveLength(1);
    runtime.pause();
    await runtime.advance(30_000);
    runtime.resume();
    // The late timer fires first; the answer is read within the turn.
    const fire = runtime.fireNext.bind(runtime);
    runtime.fireNext = () => {
      fire();
      setImmediate(() => liveness.heard());
    };
    await runtime.advance(0);
    await settle();
    expect(died()).toBeUndefined();
  });
});

describe('a connection without calls', () => {
  it('is not pinged, as etcd would take offence', async () => {
    const { runtime, liveness, pings } = watched(true);
    liveness.busy(true);
    await runtime.advance(1_000);
    liveness.busy(false);
    await runtime.advance(600_000);
    expect(pings).toEqual([]);
    expect(runtime.timerCount).toBe(0);
  });

  it('is looked at soon once it is used again after a long rest', async () => {
    const { runtime, liveness, pings, died, nowMs } = watched(false);
    await runtime.advance(100_000);
    const usedMs = nowMs();
    liveness.busy(true);
    await runtime.advance(10_000);
    expect(pings).toEqual([usedMs + 1_000]);
    expect(died()).toBe(usedMs + 4_000);
  });

  it('is left alone for good once it is stopped', async () => {
    const { runtime, liveness, pings, died } = watched(false);
    liveness.busy(true);
    await runtime.advance(8_000);
    liveness.stop();
    liveness.busy(true);
    await runtime.advance(60_000);
    expect(pings).toHaveLength(1);
    expect(died()).toBeUndefined();
    expect(runtime.timerCount).toBe(0);
  });
});
