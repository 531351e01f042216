import { expect, it } from 'vitest';
import { Crowd } from '../../src/atomics/crowd.js';
import { HotKey } from '../../src/atomics/stm/hot-key.js';
import { MemoryServer } from '../../src/memory/index.js';
import { Client } from '../../src/session/index.js';
import { ManualRuntime, ManualTime } from '../support/manual-runtime.js';

it('is there from two refusals within a second on, for a second after the last sign; a hot key goes by the same', async () => {
  const time = new ManualTime();
  const runtime = new ManualRuntime({ time, seed: 1 });
  const client = await Client.open({ store: new MemoryServer().connect(), namespace: 'n', runtime });
  const crowd = new Crowd(runtime);
  const hot = new HotKey(client, 'hot');
  const both = () => [crowd.isThere, hot.isHot];
  const refused = () => {
    crowd.refused();
    hot.conflicted();
  };
  refused();
  expect(both()).toEqual([false, false]);
  await time.advance(1_000);
  refused();
  expect(both()).toEqual([false, false]);
  await time.advance(999);
  refused();
  expect(both()).toEqual([true, true]);
  await time.advance(999);
  expect(both()).toEqual([true, true]);
  await time.advance(1);
  expect(both()).toEqual([false, false]);
  crowd.ran(1);
  expect(crowd.isThere).toBe(false);
  crowd.ran(2);
  expect(crowd.isThere).toBe(true);
  await client.close();
});
