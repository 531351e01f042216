import { describe, expect, it } from 'vitest';
import { isQuorateError } from '../../src/errors.js';
import { faultKinds, Simulation } from '../../src/simulator/index.js';
import { put, remove, txnOf, type WatchItem } from '../../src/store/index.js';
import { oneProcess } from './scene.js';

function collect(items: AsyncIterable<WatchItem>): WatchItem[] {
  const seen: WatchItem[] = [];
  void (async () => {
    for await (const item of items) seen.push(item);
  })();
  return seen;
}

const revisionsOf = (items: readonly WatchItem[]) =>
  items.flatMap((item) => (item.type === 'events' ? item.events.map(({ kv }) => kv.modRevision) : []));

describe('faults of a link', () => {
  it('cut-requests: nothing arrives, and the caller does not know', async () => {
    const { simulation, write, fault, outcome } = await oneProcess();
    fault('cut-requests', 60_000);
    await simulation.run(0);
    const result = await outcome(write('k', '', 2_000), 10_000);
    expect(result?.error).toMatchObject({ outcome: 'unknown' });
    expect(simulation.engine.revision).toBe(1);
  });

  it('cut-replies: it is applied, and the caller does not know', async () => {
    const { simulation, write, fault, outcome } = await oneProcess();
    fault('cut-replies', 60_000);
    await simulation.run(0);
    const result = await outcome(write('k', '', 2_000), 10_000);
    expect(result?.error).toMatchObject({ outcome: 'unknown' });
    await simulation.run(100);
    expect(simulation.engine.revision).toBe(2);
  });

  it('a request that a cut has caught may be applied when it is mended, long after its caller gave up', async () => {
    let late = 0;
    for (let seed = 1; seed <= 20; seed += 1) {
      const { simulation, write, fault, outcome } = await oneProcess({ seed });
      fault('cut-requests', 20_000);
      await simulation.run(0);
      expect((await outcome(write('k', '', 500), 30_000))?.error).toMatchObject({ outcome: 'unknown' });
      expect(simulation.engine.revision).toBe(1);
      await simulation.run(30_000);
      late += simulation.engine.revision - 1;
      expect(simulation.faultsInjected.get('request applied late') ?? 0).toBe(simulation.engine.revision - 1);
    }
    expect(late).toBeGreaterThan(0);
    expect(late).toBeLessThan(20);
  });

  it('lossy-link: refused, lost, applied with the reply lost, and told as what is known of it', async () => {
    const { simulation, write, fault, outcome } = await oneProcess();
    fault('lossy-link', 1_000_000);
    await simulation.run(0);
    const applied = { ok: 0, refused: 0, unknownApplied: 0, unknownLost: 0 };
    for (let index = 0; index < 300; index += 1) {
      const { revision } = simulation.engine;
      const result = await outcome(write('k', '', 200), 1_000);
      const isApplied = simulation.engine.revision > revision;
      if (result?.value) applied.ok += 1;
      else if (isQuorateError(result?.error) && result.error.outcome === 'not-applied') {
        expect(isApplied, 'what was not applied was not').toBe(false);
        applied.refused += 1;
      } else if (isApplied) applied.unknownApplied += 1;
      else applied.unknownLost += 1;
    }
    for (const [what, times] of Object.entries(applied)) expect(times, what).toBeGreaterThan(10);
  });

  it('late-link: requests are applied seconds after their caller was told', async () => {
    const { simulation, write, fault } = await oneProcess();
    fault('late-link', 1_000_000);
    await simulation.run(0);
    const calls = Array.from({ length: 50 }, (_, index) =>
      write(`k${index}`, '', 100).catch(() => undefined),
    );
    await simulation.run(200);
    const soon = simulation.engine.revision;
    await Promise.all(calls);
    await simulation.run(10_000);
    expect(simulation.engine.revision).toBeGreaterThan(soon + 5);
    expect(simulation.faultsInjected.get('request applied late')).toBeGreaterThan(5);
  });

  it('lost-keep-alives: only they are lost', async () => {
    const { simulation, context, write, fault, outcome } = await oneProcess();
    await outcome(context().store.leaseGrant({ id: '5', ttlSeconds: 3 }), 100);
    fault('lost-keep-alives', 10_000);
    await simulation.run(0);
    const kept = await outcome(context().store.leaseKeepAlive('5', { timeoutMs: 500 }), 1_000);
    expect(kept?.error).toBeDefined();
    expect((await outcome(write('k'), 100))?.value).toMatchObject({ revision: 2 });
    await simulation.run(5_000);
    expect(simulation.engine.leases()).toEqual([]);
  });

  it('silent-watches: nothing is said, and nothing is missed afterwards', async () => {
    const { simulation, context, write, fault, outcome } = await oneProcess();
    const items = collect(context().store.watch({ key: 'k' }));
    await simulation.run(100);
    fault('silent-watches', 5_000);
    await simulation.run(0);
    for (let index = 0; index < 3; index += 1) await outcome(write('k'), 100);
    await simulation.run(1_000);
    expect(revisionsOf(items)).toEqual([]);
    await simulation.run(10_000);
    expect(revisionsOf(items)).toEqual([2, 3, 4]);
    expect(items.map(({ type }) => type)).not.toContain('interrupted');
  });

  it('broken-watches: each cut is said, and resuming by revision misses nothing', async () => {
    const { simulation, context, write, fault, outcome } = await oneProcess();
    const items = collect(context().store.watch({ key: 'k' }));
    await simulation.run(100);
    fault('broken-watches', 5_000);
    for (let index = 0; index < 50; index += 1) {
      await outcome(write('k'), 100);
      await simulation.run(100);
    }
    await simulation.run(5_000);
    expect(revisionsOf(items)).toEqual(Array.from({ length: 50 }, (_, index) => index + 2));
    expect(items.filter(({ type }) => type === 'interrupted').length).toBeGreaterThan(2);
  });

  it('a watch that resumes from now misses what was written during a cut', async () => {
    const { simulation, context, write, fault } = await oneProcess();
    const observer = simulation.connect();
    const items = collect(context().store.watch({ key: 'k', resume: 'now' }));
    await simulation.run(100);
    fault('cut-link', 30_000);
    await simulation.run(25_000);
    void observer.txn(txnOf({ success: [put('k', '')] }));
    await simulation.run(20_000);
    void write('k');
    await simulation.run(1_000);
    expect(items.map(({ type }) => type)).toEqual(['opened', 'interrupted', 'opened', 'events']);
    expect(revisionsOf(items)).toEqual([3]);
  });
});

describe('faults of a process', () => {
  it('crash: it starts anew, and what it waited for never comes', async () => {
    const simulation = new Simulation({ seed: 1 });
    const log: string[] = [];
    const process = simulation.start('p', async ({ incarnation, runtime }) => {
      log.push(`starts ${incarnation}`);
      await new Promise<void>((resolve) => runtime.setTimer(1_000, resolve));
      log.push(`wakes ${incarnation}`);
    });
    simulation.inject({ atMs: 500, durationMs: 2_000, kind: 'crash', target: 0 });
    await simulation.run(600);
    expect(process.status).toBe('crashed');
    await simulation.run(10_000);
    expect(log).toEqual(['starts 0', 'starts 1', 'wakes 1']);
    expect(process.status).toBe('finished');
  });

  it('pause: clocks go on, timers fire late and before what has arrived meanwhile', async () => {
    const { simulation, process, context, write } = await oneProcess();
    const log: string[] = [];
    context().runtime.setTimer(1_000, () => log.push(`timer at ${Math.round(simulation.nowMs)}`));
    void write('k').then(() => log.push(`reply at ${Math.round(simulation.nowMs)}`));
    const { resume } = process.pause();
    const before = context().runtime.monotonicMs();
    await simulation.run(5_000);
    expect(log).toEqual([]);
    expect(context().runtime.monotonicMs() - before).toBeCloseTo(5_000);
    resume();
    await simulation.run(0);
    expect(log).toEqual(['timer at 5000', 'reply at 5000']);
  });

  it('sleep: the monotonic clock and its timers stop, the wall clock goes on', async () => {
    const { simulation, context, fault } = await oneProcess();
    const { runtime } = context();
    const [monotonicMs, wallMs] = [runtime.monotonicMs(), runtime.wallMs()];
    let firedMs = 0;
    runtime.setTimer(1_000, () => {
      firedMs = simulation.nowMs;
    });
    fault('sleep', 5_000);
    await simulation.run(10_000);
    expect(runtime.monotonicMs() - monotonicMs).toBeCloseTo(5_000);
    expect(runtime.wallMs() - wallMs).toBeCloseTo(10_000);
    expect(firedMs).toBeGreaterThanOrEqual(6_000);
    expect(firedMs).toBeLessThan(6_010);
  });

  it('wall-step: the wall clock jumps, the monotonic clock does not', async () => {
    const { simulation, context, fault } = await oneProcess();
    const { runtime } = context();
    const [monotonicMs, wallMs] = [runtime.monotonicMs(), runtime.wallMs()];
    fault('wall-step');
    await simulation.run(100);
    expect(runtime.monotonicMs() - monotonicMs).toBeCloseTo(100);
    expect(Math.abs(runtime.wallMs() - wallMs - 100)).toBeGreaterThan(0.9);
  });

  it('clocks run at rates within the stated error', () => {
    const simulation = new Simulation({ seed: 3, clockRateError: 0.05 });
    const rates = Array.from(
      { length: 50 },
      (_, index) => simulation.start(`p${index}`, () => {}).clock.rate,
    );
    for (const rate of rates) expect(Math.abs(rate - 1)).toBeLessThanOrEqual(0.05);
    expect(new Set(rates).size).toBe(50);
  });
});

describe('faults of the cluster', () => {
  it('leader-change: another member leads, and every lease has its full TTL again', async () => {
    const { simulation, context, fault, outcome } = await oneProcess();
    await outcome(context().store.leaseGrant({ id: '5', ttlSeconds: 10 }), 100);
    await simulation.run(9_000);
    const { leader, term } = simulation.cluster;
    fault('leader-change');
    await simulation.run(1_000);
    expect(simulation.cluster.leader).not.toBe(leader);
    expect(simulation.cluster.term).toBe(term + 1);
    await simulation.run(8_000);
    expect(simulation.engine.leases()).toEqual(['5']);
    await simulation.run(4_000);
    expect(simulation.engine.leases()).toEqual([]);
  });

  it('a leader without quorum is succeeded', async () => {
    const { simulation, fault } = await oneProcess();
    const leader = simulation.cluster.leader?.index ?? 0;
    fault('member-isolated', 60_000, leader);
    await simulation.run(4_000);
    expect(simulation.cluster.leader?.index).not.toBe(leader);
    expect(simulation.cluster.term).toBe(2);
  });

  it('member-isolated: serializable reads there go stale, linearizable ones do not answer', async () => {
    const { simulation, process, context, fault, outcome } = await oneProcess();
    fault('member-isolated', 60_000, process.link.home);
    await simulation.run(3_000);
    const before = simulation.engine.revision;
    const writer = simulation.start('elsewhere', async ({ store }) => {
      await store.txn(txnOf({ success: [put('k', '')] }));
    });
    expect(writer.link.home).not.toBe(process.link.home);
    await simulation.run(1_000);
    expect(writer.status).toBe('finished');
    expect(simulation.engine.revision).toBe(before + 1);
    const stale = await outcome(context().store.range({ key: 'k', serializable: true }), 1_000);
    expect(stale?.value).toMatchObject({ count: 0, revision: before });
    const answer = await outcome(context().store.range({ key: 'k' }, { timeoutMs: 3_000 }), 5_000);
    expect(answer?.error).toMatchObject({ code: 'timeout', outcome: 'not-applied' });
  });

  it('leases expire late and never early, by clocks within the stated error', async () => {
    for (let seed = 1; seed <= 30; seed += 1) {
      const { simulation, context, outcome } = await oneProcess({ seed, clockRateError: 0.05 });
      await outcome(context().store.leaseGrant({ id: '5', ttlSeconds: 4 }), 100);
      const grantedMs = simulation.nowMs;
      await simulation.runUntil(() => simulation.engine.leases().length === 0, 60_000);
      const livedMs = simulation.nowMs - grantedMs;
      expect(livedMs).toBeGreaterThan(4_000 / 1.05 - 10);
      expect(livedMs).toBeLessThan(4_000 / 0.95 + 700);
    }
  });

  it('no-space: puts say so, applied or not; deletions go on', async () => {
    const { simulation, context, write, fault, outcome } = await oneProcess();
    fault('no-space', 100_000);
    await simulation.run(0);
    for (let index = 0; index < 20; index += 1) {
      expect((await outcome(write('k'), 100))?.error).toMatchObject({ code: 'no-space', outcome: 'unknown' });
    }
    const applied = simulation.engine.revision - 1;
    expect(applied).toBeGreaterThan(3);
    expect(applied).toBeLessThan(17);
    const deletion = context().store.txn(txnOf({ success: [remove('k')] }));
    expect((await outcome(deletion, 100))?.value).toMatchObject({ succeeded: true });
  });

  it('stale-leader: renewals at it are acknowledged and worth nothing', async () => {
    let worthless = 0;
    for (let seed = 1; seed <= 40; seed += 1) {
      const { simulation, context, process, outcome } = await oneProcess({ seed });
      if (simulation.cluster.leader?.index !== process.link.home) continue;
      await outcome(context().store.leaseGrant({ id: '5', ttlSeconds: 3 }), 100);
      const renew = async () => {
        for (;;) {
          await context()
            .store.leaseKeepAlive('5', { timeoutMs: 20_000 })
            .catch(() => {});
          await new Promise<void>((resolve) => context().runtime.setTimer(100, resolve));
        }
      };
      void renew();
      simulation.inject({ atMs: 500, durationMs: 8_000, kind: 'stale-leader', target: process.link.home });
      await simulation.run(20_000);
      worthless += simulation.faultsInjected.get('renewal worth nothing') ?? 0;
    }
    expect(worthless).toBeGreaterThan(0);
  });
});

describe('healing', () => {
  it('ends everything; and of a core, leaves the rest broken for ever', async () => {
    let brokenProcesses = 0;
    let brokenMembers = 0;
    for (let seed = 1; seed <= 30; seed += 1) {
      const simulation = new Simulation({ seed, members: 5 });
      for (const name of ['a', 'b', 'c']) simulation.start(name, () => new Promise<void>(() => {}));
      for (const [index, kind] of faultKinds.entries()) {
        simulation.inject({ atMs: 10_000 + index, durationMs: 1_000_000, kind, target: index });
      }
      await simulation.run(20_000);
      simulation.heal({ core: true });
      const observer = simulation.connect();
      const core = simulation.processes.filter(({ isCore }) => isCore);
      expect(core.length).toBeGreaterThan(0);
      brokenProcesses += simulation.processes.length - core.length;
      const up = simulation.cluster.members.filter(({ isUp, deaf }) => isUp && deaf === 0);
      expect(up.length).toBeGreaterThanOrEqual(3);
      brokenMembers += 5 - up.length;
      let written = false;
      void (async () => {
        while (!written) {
          const reply = await observer.txn(txnOf({ success: [put('z', '')] })).catch(() => undefined);
          written = reply !== undefined;
        }
      })();
      expect(await simulation.runUntil(() => written, 60_000)).toBe(true);
    }
    expect(brokenProcesses).toBeGreaterThan(0);
    expect(brokenMembers).toBeGreaterThan(0);
  });
});
