import { expect, it } from 'vitest';
import { type ProcessThread, Simulation } from '../../src/simulator/index.js';

/** A process with a second thread, both of which tick each 10 ms. */
async function ticking() {
  const simulation = new Simulation({ seed: 1 });
  const ticks = { main: 0, thread: 0 };
  let thread: ProcessThread | undefined;
  const process = simulation.start('p', ({ runtime, startThread, incarnation }) => {
    if (incarnation > 0) return;
    const started = startThread();
    thread = started;
    const tick = (name: keyof typeof ticks, clock: typeof runtime) => {
      clock.setTimer(10, () => {
        ticks[name] += 1;
        tick(name, clock);
      });
    };
    tick('main', runtime);
    tick('thread', started.runtime);
  });
  await simulation.run(100);
  if (thread === undefined) throw new Error('no thread');
  const passing = async (ms: number) => {
    const before = { ...ticks };
    await simulation.run(ms);
    return { main: ticks.main - before.main, thread: ticks.thread - before.thread };
  };
  return { simulation, process, thread, passing };
}

it('a thread goes on, with its store, while the event loop of its process is blocked', async () => {
  const { simulation, process, thread, passing } = await ticking();
  const { resume } = process.stall();
  const passed = await passing(1_000);
  expect(passed.main).toBe(0);
  expect(passed.thread).toBeGreaterThan(80);
  let revision: number | undefined;
  void thread.store.range({ key: 'k' }).then((reply) => {
    revision = reply.revision;
  });
  await simulation.run(50);
  expect(revision).toBe(1);
  resume();
  expect((await passing(1_000)).main).toBeGreaterThan(80);
  expect(process.standstills).toEqual([{ fromMs: 100, toMs: 1_150 }]);
});

it('a thread stands still with its process, sleeps with its machine, and dies with both', async () => {
  const { process, passing } = await ticking();
  const paused = process.pause();
  expect(await passing(1_000)).toEqual({ main: 0, thread: 0 });
  paused.resume();
  const asleep = process.sleep();
  await passing(10);
  expect(await passing(1_000)).toEqual({ main: 0, thread: 0 });
  asleep.wake();
  expect((await passing(1_000)).thread).toBeGreaterThan(80);
  process.crash();
  expect(await passing(1_000)).toEqual({ main: 0, thread: 0 });
  process.restart();
  expect(await passing(1_000)).toEqual({ main: 0, thread: 0 });
});

it('a thread has the clocks of its machine, counted from its own beginning', async () => {
  const { process, thread } = await ticking();
  expect(thread.runtime.wallMs()).toBe(process.clock.wallMs());
  expect(thread.runtime.monotonicMs()).toBeCloseTo(100, 6);
});
