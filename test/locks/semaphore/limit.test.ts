import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { StoredLimit } from '../../../src/locks/semaphore/limit.js';
import { systemRuntime } from '../../../src/runtime/index.js';
import type { Client } from '../../../src/session/index.js';
import type { TxnRequest } from '../../../src/store/index.js';

/** A client that takes note of what is sent. */
function notingClient(sent: TxnRequest[]): Client {
  const txn = async (request: TxnRequest) => {
    sent.push(request);
    return { succeeded: true, revision: 1, replies: [] };
  };
  return { runtime: systemRuntime, store: { txn } } as unknown as Client;
}

describe('the limit of a semaphore', () => {
  it('is put back again when it goes once more, however soon after', async () => {
    for (let microtasks = 0; microtasks < 10; microtasks += 1) {
      const sent: TxnRequest[] = [];
      const limit = new StoredLimit(notingClient(sent), 'cfg', 3);
      limit.restore(0);
      for (let passed = 0; passed < microtasks; passed += 1) await Promise.resolve();
      limit.restore(7);
      await turn();
      expect(sent.map(({ compare }) => compare[0])).toContainEqual(
        expect.objectContaining({ key: 'cfg', operand: 7 }),
      );
    }
  });
});
