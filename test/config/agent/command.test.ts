import { describe, expect, it } from 'vitest';
import { type CommandRun, CommandRunner } from '../../../src/config/agent/command.js';
import { type ProgramResult, runProgram } from '../../../src/runtime/index.js';
import { ManualRuntime, settle } from '../../support/manual-runtime.js';

const done: ProgramResult = {
  exitCode: 0,
  endedBy: undefined,
  hasTimedOut: false,
  output: '',
  error: undefined,
};

function scene() {
  const runtime = new ManualRuntime();
  const begun: string[] = [];
  const runs: CommandRun[] = [];
  const ends: ((result: Partial<ProgramResult>) => void)[] = [];
  let paid = 0;
  let atOnce = 0;
  let mostAtOnce = 0;
  const runner = new CommandRunner({
    ...{ runtime, command: { program: 'reload', env: { A: 'b' } } },
    run: ({ env }) => {
      begun.push(env['QUORATE_CONFIG_REVISION'] ?? '');
      atOnce += 1;
      mostAtOnce = Math.max(mostAtOnce, atOnce);
      return new Promise((resolve) => {
        ends.push((result) => {
          atOnce -= 1;
          resolve({ ...done, ...result });
        });
      });
    },
    onPaid: async (isOwed) => {
      if (!isOwed()) paid += 1;
    },
    onRun: (run) => runs.push(run),
  });
  const end = async (result: Partial<ProgramResult> = {}) => {
    ends.shift()?.(result);
    await settle();
  };
  return { runtime, runner, begun, runs, end, paid: () => paid, mostAtOnce: () => mostAtOnce };
}

describe('the command of an agent', () => {
  it('CONFIG-12 never runs twice at a time, and once more for all changes that came while it ran', async () => {
    const { runner, begun, end, paid, mostAtOnce } = scene();
    for (const revision of [1, 2, 3]) runner.owe(revision);
    await settle();
    runner.owe(4);
    await settle();
    expect(begun).toEqual(['1']);
    expect([runner.isRunning, runner.isOwed]).toEqual([true, true]);
    await end();
    expect(begun).toEqual(['1', '4']);
    expect(paid()).toBe(0);
    await end();
    expect([runner.isRunning, runner.isOwed, paid(), mostAtOnce()]).toEqual([false, false, 1, 1]);
    runner.owe(5);
    await settle();
    expect(begun).toEqual(['1', '4', '5']);
  });

  it('CONFIG-12 is run again until it succeeds, after growing pauses that no change waits for', async () => {
    const { runner, runtime, begun, runs, end } = scene();
    runner.owe(1);
    await settle();
    await end({ exitCode: 3, output: 'no' });
    expect(runs).toMatchObject([{ revision: 1, exitCode: 3, output: 'no' }]);
    await runtime.advance(1_000);
    expect(begun).toEqual(['1', '1']);
    await end({ exitCode: undefined, endedBy: 'SIGTERM', hasTimedOut: true });
    await end({ exitCode: undefined, error: new Error('ENOENT') });
    for (let failures = 2; failures < 9; failures += 1) {
      await runtime.advance(60_000);
      await end({ exitCode: 1 });
    }
    expect(runner.failures).toBe(9);
    const before = begun.length;
    runner.owe(2);
    await settle();
    expect(begun.slice(before)).toEqual(['2']);
    await end();
    expect([runner.failures, runner.isOwed]).toEqual([0, false]);
    await runtime.advance(100_000);
    expect(begun.length).toBe(before + 1);
  });

  it('when it is closed it waits for the run that goes on, and begins no other', async () => {
    const { runner, runtime, begun, end } = scene();
    runner.owe(1);
    await settle();
    runner.owe(2);
    let isClosed = false;
    const closing = runner.close().then(() => {
      isClosed = true;
    });
    await settle();
    expect(isClosed).toBe(false);
    await end();
    await closing;
    runner.owe(3);
    await runtime.advance(100_000);
    expect(begun).toEqual(['1']);
    expect(runner.isOwed).toBe(true);
    expect(runtime.timerCount).toBe(0);
  });
});

describe('a program', () => {
  const node = (script: string, more: { timeoutMs?: number } = {}) =>
    runProgram({
      ...{
        program: process.execPath,
        args: ['-e', script, '--', '$HOME; `id`'],
        env: { GIVEN: 'x y' },
        cwd: undefined,
      },
      ...{ timeoutMs: 10_000, killAfterMs: 200, mostOutputBytes: 20, ...more },
    });

  it('is given its words as they are, and tells how it ended and the last that it said', async () => {
    const told = await node(
      'console.log("x".repeat(500)); console.error(process.argv[1] + process.env.GIVEN); process.exitCode = 4',
    );
    expect(told).toMatchObject({ exitCode: 4, hasTimedOut: false, error: undefined });
    expect(told.output.length).toBe(20);
    expect(told.output).toMatch(/HOME; `id`x y\n$|xxx\n$/);
  });

  it('is ended when its time is up, by force if need be', async () => {
    const stubborn = 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)';
    expect(await node('setInterval(() => {}, 1000)', { timeoutMs: 300 })).toMatchObject({
      hasTimedOut: true,
      endedBy: 'SIGTERM',
    });
    expect(await node(stubborn, { timeoutMs: 1_000 })).toMatchObject({
      hasTimedOut: true,
      endedBy: 'SIGKILL',
    });
  });

  it('has all its time, also where that is more than a timer takes', async () => {
    expect(await node('setTimeout(() => {}, 300)', { timeoutMs: 2 ** 32 })).toMatchObject({
      ...{ exitCode: 0, endedBy: undefined, hasTimedOut: false },
    });
  });

  it('that is not there is no exception, and what it leaves behind is not waited for', async () => {
    const missing = await runProgram({
      ...{ program: '/no/such/program', args: [], env: {}, cwd: undefined },
      ...{ timeoutMs: 1_000, killAfterMs: 1_000, mostOutputBytes: 10 },
    });
    expect(missing).toMatchObject({ exitCode: undefined, error: { code: 'ENOENT' } });
    const leaves = `require('child_process').spawn(process.execPath, ['-e', 'setTimeout(() => {}, 15000)'], { stdio: 'inherit' }).unref(); process.exit(0)`;
    const startMs = performance.now();
    expect(await node(leaves)).toMatchObject({ exitCode: 0 });
    expect(performance.now() - startMs).toBeLessThan(14_000);
  });
});
