/**
 * What every process does that waits at gates; `bench/peers/go/barrier` does the same:
 *
 * - arguments: `endpoint name waiters rounds`; says `ready` when its client is connected;
 * - for each line that arrives on its input, as many callers as there are waiters wait at the gate `{name}-{round}`, from 0;
 * - when the last round is over it prints a line for each wait, `round returned`, in whole microseconds of the machine's monotonic
 *   clock, which all processes share.
 */
import { createInterface } from 'node:readline';
import { nowUs } from '../locks/loop.js';

export interface Gates {
  /** Something to wait at the gate of this name with, for all callers of the process. */
  readonly at: (gate: string) => { wait(): Promise<unknown> };
  readonly close: () => Promise<unknown>;
}

export async function waitInRounds(open: (endpoint: string) => Promise<Gates>): Promise<void> {
  const [endpoint = '', name = '', waiters, rounds] = process.argv.slice(2);
  const gates = await open(endpoint);
  const lines: string[] = [];
  process.stdout.write('ready\n');
  let round = 0;
  for await (const _line of createInterface({ input: process.stdin })) {
    const gate = gates.at(`${name}-${round}`);
    const wait = async () => {
      await gate.wait();
      lines.push(`${round} ${nowUs()}`);
    };
    await Promise.all(Array.from({ length: Number(waiters) }, wait));
    round += 1;
    if (round === Number(rounds)) break;
  }
  process.stdout.write(`${lines.join('\n')}\n`);
  await gates.close();
  process.stdout.end(() => process.exit(0));
}
