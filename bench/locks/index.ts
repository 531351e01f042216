/**
 * The locks beside their peers, all on this machine, each on a server of its own that writes to disk as it does by default:
 * uncontended, handed over between processes, beside other writes, with many callers, in memory, and waiting.
 */
import type { BenchOptions, BenchResult, Row } from '../harness.js';
import { field } from './contestants.js';
import { contestAll, type HandOverTimes, handOverRows, type Rounds, writesPerSecond } from './hand-over.js';
import { besidePuts, manyCallers, manyCallersRows, memoryRows, waitingRows } from './own.js';

export async function locksBench({ quick, only = [] }: BenchOptions): Promise<BenchResult> {
  const times: HandOverTimes = quick
    ? { rounds: 1, warmUpMs: 1_000, durationMs: 1_000 }
    : { rounds: 3, warmUpMs: 2_000, durationMs: 4_000 };
  const { contestants, leftOut } = field();
  const peers = contestants.filter(({ name }) => name !== 'quorate');
  const safePeers = peers.filter(({ hasConsensus }) => hasConsensus);
  const rounds: Rounds = {};
  const rows: Row[] = [];
  const scenarios: Record<string, () => Promise<Row[]>> = {
    uncontended: () => besidePuts(times, rounds),
    'hand-over': async () => {
      Object.assign(rounds, await contestAll(contestants, times));
      return handOverRows(rounds, peers);
    },
    callers: () => manyCallersRows(safePeers, times, rounds),
    memory: () => memoryRows(rounds),
    waiting: () => waitingRows(quick, rounds),
  };
  for (const [name, run] of Object.entries(scenarios)) {
    if (only.length === 0 || only.includes(name)) rows.push(...(await run()));
  }
  return {
    name: 'locks',
    settings: {
      rounds: `${times.rounds}, one contest of each in turn, every second round backwards; medians`,
      contests: `${times.durationMs} ms after ${times.warmUpMs} ms that are not counted, new processes and a new server for each; ten times that, at the least, for what Node compiles as it runs`,
      contenders: 'a process each with one client and caller; 50 are 10 processes of 5 independent clients',
      'other writes': `${writesPerSecond} a second from a process of their own`,
      'many callers': `${manyCallers}; a peer has one contender a process, so that its local line costs nothing`,
      ...Object.fromEntries(contestants.map(({ name, settings }) => [name, settings])),
    },
    rows,
    rounds,
    leftOut,
  };
}
