import { describe, expect, it } from 'vitest';
import { Line } from '../../src/line/index.js';
import { MemoryServer } from '../../src/memory/index.js';
import { openStallingClient } from '../support/stalling-client.js';

describe('a place that is to be taken by a process that stood still', () => {
  it.each([
    ['is taken where the session stands', true],
    ['is not where the session was lost', false],
  ])('%s', async (_what, survives) => {
    const server = new MemoryServer();
    const { client, standStill } = await openStallingClient(server);
    const line = new Line(client, client.keys.prefix('lock', 'm'));
    const session = await client.session();
    standStill(survives);
    const outcome = line.join(session).then(
      (place) => place.state.status,
      ({ code }) => code,
    );
    expect(await outcome).toBe(survives ? 'admitted' : 'session-lost');
    expect(server.engine.range({ ...line.range, countOnly: true }).count).toBe(survives ? 1 : 0);
  });
});
