/**
 * What every contender that runs on Node does: contend for a lock again and again, and write down when. Contenders in other
 * languages do the same (`bench/peers`), so that all are measured alike:
 *
 * - arguments: `endpoint name clients callers warmUpMs durationMs`; says `ready` when its clients are connected;
 * - begins when a line arrives on its input, goes on for warmUpMs + durationMs, then ends its clients;
 * - prints a line for each acquisition: `client requested granted released`, in whole microseconds of the machine's monotonic
 *   clock, which all processes share. `released` is when the release was called, not when it was done.
 *
 * What was before the warm-up's end is cut off by who reads it.
 */
import { once } from 'node:events';

export interface Contender {
  /** Waits for the lock; resolves with the function that releases it. */
  acquire(): Promise<() => Promise<unknown>>;
  close(): Promise<unknown>;
}

export interface ContenderArguments {
  readonly endpoint: string;
  /** The lock's name; new each time, so that no earlier run has left anything under it. */
  readonly name: string;
}

/** So many lines are written at once. */
const linesAtOnce = 10_000;

/** Contends with independent clients, each opened by `open`, and ends the process. */
export async function contend(open: (options: ContenderArguments) => Promise<Contender>): Promise<void> {
  const [endpoint = '', name = '', clients, callers, warmUpMs, durationMs] = process.argv.slice(2);
  const contenders = await Promise.all(
    Array.from({ length: Number(clients) }, () => open({ endpoint, name })),
  );
  process.stdout.write('ready\n');
  await once(process.stdin, 'data');
  const endUs = nowUs() + (Number(warmUpMs) + Number(durationMs)) * 1_000;
  const lines: string[] = [];
  const caller = async (contender: Contender, client: number) => {
    while (nowUs() < endUs) {
      const requested = nowUs();
      const release = await contender.acquire();
      const granted = nowUs();
      lines.push(`${client} ${requested} ${granted} ${nowUs()}`);
      await release();
    }
  };
  await Promise.all(
    contenders.flatMap((contender, client) =>
      Array.from({ length: Number(callers) }, () => caller(contender, client)),
    ),
  );
  for (let from = 0; from < lines.length; from += linesAtOnce) {
    const chunk = `${lines.slice(from, from + linesAtOnce).join('\n')}\n`;
    if (!process.stdout.write(chunk)) await once(process.stdout, 'drain');
  }
  await Promise.all(contenders.map((contender) => contender.close()));
  process.stdout.end(() => process.exit(0));
}

export function nowUs(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}

/** Tries again and again, with a pause between, for locks that do not wait by themselves. */
export async function polled<T>(attempt: () => Promise<T | undefined>, pauseMs: number): Promise<T> {
  for (;;) {
    const result = await attempt();
    if (result !== undefined) return result;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
