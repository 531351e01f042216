import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const source = (path: string) => fileURLToPath(new URL(`../../src/${path}`, import.meta.url));

/** Its only work waits without a time limit, and the first attempts at it fail. */
const program = `
  const { openCommitStore } = await import(${JSON.stringify(source('commit/index.ts'))});
  const { MemoryServer } = await import(${JSON.stringify(source('memory/index.ts'))});
  const { systemRuntime } = await import(${JSON.stringify(source('runtime/index.ts'))});
  const { QuorateError } = await import(${JSON.stringify(source('errors.ts'))});
  const { put, txnOf } = await import(${JSON.stringify(source('store/index.ts'))});
  const memory = new MemoryServer().connect();
  let failures = 0;
  const txn = (request, options) => {
    if (failures > 2) return memory.txn(request, options);
    failures += 1;
    return Promise.reject(new QuorateError('unavailable', 'away', { outcome: 'unknown' }));
  };
  const store = new Proxy(memory, { get: (target, name) => {
    if (name === 'txn' && isOpen) return txn;
    const found = target[name];
    return typeof found === 'function' ? found.bind(target) : found;
  } });
  let isOpen = false;
  const commits = await openCommitStore(store, { runtime: systemRuntime, lanePrefix: 'lanes/' });
  isOpen = true;
  const reply = await commits.txn(txnOf({ success: [put('k', 'v')] }), { timeoutMs: Infinity });
  console.log(reply.succeeded, failures);
  process.exit(0);
`;

it('COMMIT-2 a process whose only work is a write that is sent again does not end before it is written', async () => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), '--input-type=module', '--eval', program],
    { timeout: 20_000 },
  );
  expect(stdout.trim()).toBe('true 3');
}, 30_000);
