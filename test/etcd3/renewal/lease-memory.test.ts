import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, it, onTestFinished } from 'vitest';
import { LeaseMemory } from '../../../src/etcd3/renewal/lease-memory.js';
import { LifeSign } from '../../../src/etcd3/renewal/life-sign.js';

it('shows the newest renewal to whoever has the same buffer, rounded down', () => {
  const writer = new LeaseMemory();
  const reader = new LeaseMemory(writer.buffer);
  expect(reader.read()).toBeUndefined();
  expect(reader.sequence).toBe(0);
  writer.write({ monotonicMs: 12.345678, wallMs: 1_700_000_000_000.9 }, 10_000);
  expect(reader.read()).toEqual({
    sequence: 1,
    sent: { monotonicMs: 12.345, wallMs: 1_700_000_000_000.9 },
    ttlMs: 10_000,
  });
  writer.write({ monotonicMs: 20, wallMs: 7 }, 2_000);
  writer.write({ monotonicMs: 30, wallMs: 8 }, 0);
  expect(reader.read()).toEqual({ sequence: 3, sent: { monotonicMs: 30, wallMs: 8 }, ttlMs: 0 });
});

it('keeps the last whole renewal if the writer is ended in the middle of the next', () => {
  const memory = new LeaseMemory();
  memory.write({ monotonicMs: 10, wallMs: 1 }, 5_000);
  memory.write({ monotonicMs: 20, wallMs: 2 }, 6_000);
  // What the third would write first goes into the words of the first.
  const words = new BigInt64Array(memory.buffer);
  words.forEach((word, index) => {
    if (word === 10_000n) words[index] = 30_000n;
  });
  expect(memory.read()).toEqual({ sequence: 2, sent: { monotonicMs: 20, wallMs: 2 }, ttlMs: 6_000 });
});

it('tells the other thread to stop', () => {
  const memory = new LeaseMemory();
  const other = new LeaseMemory(memory.buffer);
  memory.write({ monotonicMs: 10, wallMs: 1 }, 5_000);
  expect(other.isStopped).toBe(false);
  memory.stop();
  expect(other.isStopped).toBe(true);
  expect(other.sequence).toBe(1);
});

it('is never read torn while another thread writes', async () => {
  const memory = new LeaseMemory();
  const compiled = new URL('../../../src/etcd3/renewal/lease-memory.ts', import.meta.url).href;
  const writer = new Worker(
    `const { workerData } = require('node:worker_threads');
     import('tsx/esm/api').then(async ({ register }) => {
       register();
       const { LeaseMemory } = await import(${JSON.stringify(compiled)});
       const memory = new LeaseMemory(workerData);
       for (let value = 1; !memory.isStopped; value += 1) {
         memory.write({ monotonicMs: value, wallMs: value }, value);
       }
     });`,
    { eval: true, workerData: memory.buffer },
  );
  const over = once(writer, 'exit');
  onTestFinished(async () => {
    await writer.terminate();
  });
  const deadlineMs = performance.now() + 20_000;
  let newest = 0;
  let different = 0;
  while (different < 5_000 && performance.now() < deadlineMs) {
    const read = memory.read();
    if (read === undefined) continue;
    const { monotonicMs, wallMs } = read.sent;
    if (wallMs !== monotonicMs || read.ttlMs !== monotonicMs || monotonicMs < newest) {
      expect.fail(`read ${JSON.stringify(read)} after ${newest}`);
    }
    if (monotonicMs > newest) different += 1;
    newest = monotonicMs;
  }
  expect(different).toBe(5_000);
  memory.stop();
  await over;
});

it('a life sign tells how long ago an event loop turned', () => {
  const sign = new LifeSign();
  const other = new LifeSign(sign.buffer);
  sign.give(5_000);
  expect(other.ageMs(5_750)).toBe(750);
  sign.give(5_750.0007);
  expect(other.ageMs(5_750.0007)).toBeGreaterThanOrEqual(0);
  expect(other.ageMs(5_750.0007)).toBeLessThan(0.002);
});
