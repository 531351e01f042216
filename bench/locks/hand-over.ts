/** How often the lock changes hands, how long that takes, in which order, and what it costs; alone and beside other writes. */
import { compared, median, percentile, type Row } from '../harness.js';
import { overtaken } from './acquisitions.js';
import { type Contest, hold } from './contest.js';
import type { Contestant, ContestantName } from './contestants.js';

/**
 * Fifty processes would measure two cores and no lock: fifty contenders are ten processes of five independent clients,
 * for everybody alike. Up to ten, each contender is a process.
 */
const crowds = [
  { contenders: 1, processes: 1, clients: 1 },
  { contenders: 2, processes: 2, clients: 1 },
  { contenders: 10, processes: 10, clients: 1 },
  { contenders: 50, processes: 10, clients: 5 },
] as const;
export const writesPerSecond = 200;
/** Grants count as out of order if who was overtaken had asked so much earlier: less is a matter of the network. */
const overtakenByMs = 5;

/** One contest, in figures. */
interface Figures {
  readonly 'a second': number;
  /** Of acquire and release together, where nobody contends. */
  readonly 'cycle ms': number;
  readonly 'p50 ms': number;
  readonly 'p99 ms': number;
  readonly overtaken: number;
  readonly requests: number;
  readonly 'watch messages': number;
  readonly 'processor ms': number;
}

export interface HandOverTimes {
  readonly rounds: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
}

/** Every figure of every round, by `contestant, contenders, writes: figure`. */
export type Rounds = Record<string, number[]>;

type Scenario = (typeof crowds)[number] & { readonly writes: number };

/** Who is shown for scale has no contest beyond the plain ones. */
const scenariosOf = ({ isLock, hasConsensus }: Contestant): Scenario[] =>
  crowds.flatMap((crowd) => {
    const quiet = { ...crowd, writes: 0 };
    const beside = { ...crowd, writes: writesPerSecond };
    if (!hasConsensus) return crowd.contenders <= 10 ? [quiet] : [];
    return crowd.contenders === 1 || !isLock ? [quiet] : [quiet, beside];
  });

export async function contestAll(contestants: readonly Contestant[], times: HandOverTimes): Promise<Rounds> {
  const rounds: Rounds = {};
  // All of one scenario follow each other, so that what disturbs the machine for a while disturbs them alike.
  const plan = crowds.flatMap(({ contenders }) =>
    [0, writesPerSecond].flatMap((writes) =>
      contestants.flatMap((contestant) =>
        scenariosOf(contestant)
          .filter((scenario) => scenario.contenders === contenders && scenario.writes === writes)
          .map((scenario) => ({ contestant, scenario })),
      ),
    ),
  );
  for (let round = 0; round < times.rounds; round += 1) {
    for (const { contestant, scenario } of round % 2 === 0 ? plan : [...plan].reverse()) {
      const figures = await contest(contestant, scenario, times);
      for (const [figure, value] of Object.entries(figures)) {
        const key = keyOf(contestant.name, scenario, figure as keyof Figures);
        rounds[key] = [...(rounds[key] ?? []), value];
      }
      process.stderr.write('.');
    }
  }
  process.stderr.write('\n');
  return rounds;
}

async function contest(
  contestant: Contestant,
  { processes, clients, writes }: Scenario,
  { warmUpMs, durationMs }: HandOverTimes,
): Promise<Figures> {
  const setting: Contest = { processes, clients, callers: 1, writesPerSecond: writes, warmUpMs, durationMs };
  const outcome = await hold(contestant, setting);
  const { acquisitions } = outcome;
  const cycles = acquisitions.flatMap(({ requested }, index) => {
    const before = acquisitions[index - 1];
    return before === undefined ? [] : [(requested - before.requested) / 1_000];
  });
  return {
    'a second': outcome.handOversPerSecond,
    'cycle ms': median(cycles),
    'p50 ms': percentile(outcome.handOversMs, 0.5),
    'p99 ms': percentile(outcome.handOversMs, 0.99),
    overtaken: overtaken(acquisitions, overtakenByMs),
    requests: outcome.requestsEach ?? Number.NaN,
    'watch messages': outcome.watchMessagesEach ?? Number.NaN,
    'processor ms': outcome.processorMsEach,
  };
}

function keyOf(name: ContestantName, { contenders, writes }: Scenario, figure: keyof Figures): string {
  return `${name}, ${contenders}, ${writes} writes/s: ${figure}`;
}

/** The table: every scenario of ours beside every peer that ran it. */
export function handOverRows(rounds: Rounds, peers: readonly Contestant[]): Row[] {
  const of = (name: ContestantName, scenario: Scenario, figure: keyof Figures) =>
    rounds[keyOf(name, scenario, figure)] ?? [];
  const beside = (what: string, unit: string, scenario: Scenario, figure: keyof Figures, goals: Goals = {}) =>
    peers
      // Without consensus a peer is shown for scale, by its rate alone.
      .filter(({ hasConsensus }) => hasConsensus || figure === 'a second' || figure === 'cycle ms')
      .filter((peer) => of(peer.name, scenario, figure).some((value) => !Number.isNaN(value)))
      .map(({ name }): Row => {
        const [ours, theirs] = [of('quorate', scenario, figure), of(name, scenario, figure)];
        // Nothing is a multiple of nothing.
        if (median(theirs) === 0) return { what, unit, ours: median(ours), peer: name, peers: 0 };
        return compared(what, unit, ours, name, theirs, goals[name]);
      });
  return crowds.flatMap((crowd) =>
    [0, writesPerSecond].flatMap((writes): Row[] => {
      const scenario = { ...crowd, writes };
      if (of('quorate', scenario, 'a second').length === 0) return [];
      if (crowd.contenders === 1) {
        return beside('acquire + release, uncontended', 'ms', scenario, 'cycle ms');
      }
      const where = `of ${crowd.contenders}${writes > 0 ? `, beside ${writes} writes/s` : ''}`;
      return [
        ...beside(`hand-overs ${where}`, '/s', scenario, 'a second', rateGoals(scenario)),
        ...beside(`hand-over ${where}, p50`, 'ms', scenario, 'p50 ms'),
        ...boundRows(where, scenario, of('quorate', scenario, 'p99 ms')),
        ...beside(`hand-over ${where}, p99`, 'ms', scenario, 'p99 ms'),
        ...(writes > 0 ? [] : costRows(where, scenario, beside)),
      ];
    }),
  );
}

type Goals = Partial<Record<ContestantName, Row['goal']>>;

/** Beside other writes the 99th percentile is what is to be reached. */
function rateGoals({ contenders, writes }: Scenario): Goals {
  if (writes > 0) return {};
  const level = { 'Curator InterProcessMutex': { atLeast: 1 } };
  return contenders > 10 ? level : { ...level, 'etcd Go Mutex': { atLeast: 10 } };
}

/** Beside other writes the 99th percentile has a bound of its own. */
function boundRows(where: string, { writes }: Scenario, ours: readonly number[]): Row[] {
  if (writes === 0) return [];
  return [compared(`hand-over ${where}, p99`, 'ms', ours, 'bound', [10], { atMost: 1 })];
}

function costRows(
  where: string,
  scenario: Scenario,
  beside: (what: string, unit: string, scenario: Scenario, figure: keyof Figures) => Row[],
): Row[] {
  return [
    ...beside(`requests an acquisition ${where}`, '', scenario, 'requests'),
    ...beside(`watch messages an acquisition ${where}`, '', scenario, 'watch messages'),
    ...beside(`clients' processor time an acquisition ${where}`, 'ms', scenario, 'processor ms'),
    ...beside(`grants past one ${overtakenByMs} ms older ${where}`, 'of 1', scenario, 'overtaken'),
  ];
}
