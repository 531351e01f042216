/** What is measured in which match, and the figures of every round. */
import type { Account } from './accounts.js';
import type { Contestant, ContestantName } from './contestants.js';
import { type Costs, type Crowd, Match } from './match.js';

/**
 * Consumers are processes, up to four. Eight and sixteen are four processes of two and four independent consumers, for every peer:
 * sixteen processes would measure the machine.
 */
const crowds = [
  { consumers: 1, processes: 1, clients: 1 },
  { consumers: 4, processes: 4, clients: 1 },
  { consumers: 8, processes: 4, clients: 2 },
  { consumers: 16, processes: 4, clients: 4 },
] as const satisfies readonly Crowd[];
export const [fewest, most] = [1, 16];
/** The crowd of the goal beside the Go recipe, which is there for that alone. */
export const crowdBesideRecipe = 8;

export const parts = ['enqueue', 'drain', 'both', 'latency'] as const;
export type Part = (typeof parts)[number];

export interface Sizes {
  readonly rounds: number;
  readonly warmUpJobs: number;
  readonly backlogs: { readonly small: number; readonly middle: number; readonly large: number };
  /** So many times, as it is over at once; the median counts. */
  readonly smallTimes: number;
  readonly bothJobs: number;
  readonly enqueueJobs: number;
  readonly pacedMs: number;
  readonly longestMs: number;
  /** Of {@link crowds}. */
  readonly consumers: readonly number[];
  /** The same for those whose consumers look at the whole queue for each job; they have one round. */
  readonly slow: {
    readonly warmUpJobs: number;
    readonly bothJobs: number;
    readonly enqueueJobs: number;
    readonly longestMs: number;
    /** Whether they are shown at the large backlog too, which takes them longer to put in than all the rest. */
    readonly hasLarge: boolean;
  };
}

export const fullSizes: Sizes = {
  rounds: 3,
  warmUpJobs: 10_000,
  backlogs: { small: 1_000, middle: 10_000, large: 100_000 },
  smallTimes: 11,
  bothJobs: 30_000,
  enqueueJobs: 30_000,
  pacedMs: 4_000,
  longestMs: 60_000,
  consumers: [1, 4, 8, 16],
  slow: { warmUpJobs: 200, bothJobs: 300, enqueueJobs: 5_000, longestMs: 5_000, hasLarge: true },
};

export const quickSizes: Sizes = {
  rounds: 1,
  warmUpJobs: 4_000,
  backlogs: { small: 1_000, middle: 10_000, large: 20_000 },
  smallTimes: 3,
  bothJobs: 5_000,
  enqueueJobs: 5_000,
  pacedMs: 1_000,
  longestMs: 20_000,
  consumers: [1, 8, 16],
  slow: { warmUpJobs: 50, bothJobs: 100, enqueueJobs: 1_000, longestMs: 2_000, hasLarge: false },
};

export const crowdsOf = ({ consumers }: Sizes): readonly Crowd[] =>
  crowds.filter((crowd) => consumers.includes(crowd.consumers));

export type CostFigure = `${'backlog' | 'both'}: ${keyof Costs}`;
export type Figure =
  | 'enqueue bulk'
  | 'enqueue single'
  | `backlog ${keyof Sizes['backlogs']}`
  | 'both'
  | 'paced at'
  | 'latency p50'
  | 'latency p99'
  | CostFigure;

/** Every figure of every round, and what became of the jobs of each contestant. */
export class Figures {
  readonly rounds: Record<string, number[]> = {};
  readonly accounts = new Map<ContestantName, Account[]>();

  of(name: ContestantName, consumers: number, figure: Figure): readonly number[] {
    return this.rounds[keyOf(name, consumers, figure)] ?? [];
  }

  add(name: ContestantName, consumers: number, figure: Figure, value: number): void {
    const key = keyOf(name, consumers, figure);
    this.rounds[key] = [...(this.rounds[key] ?? []), value];
  }

  addAccounts(name: ContestantName, accounts: readonly Account[]): void {
    this.accounts.set(name, [...(this.accounts.get(name) ?? []), ...accounts]);
  }
}

const keyOf = (name: ContestantName, consumers: number, figure: Figure) => `${name}, ${consumers}: ${figure}`;

export async function playAll(
  contestants: readonly Contestant[],
  sizes: Sizes,
  wanted: (part: Part) => boolean,
): Promise<Figures> {
  const figures = new Figures();
  // All of one crowd follow each other, so that what disturbs the machine for a while disturbs them alike.
  const matches = crowdsOf(sizes).flatMap((crowd) =>
    contestants.filter((contestant) => plays(contestant, crowd)).map((contestant) => ({ contestant, crowd })),
  );
  for (let round = 0; round < sizes.rounds; round += 1) {
    for (const { contestant, crowd } of round % 2 === 0 ? matches : [...matches].reverse()) {
      if (contestant.isSlow && round > 0) continue;
      await play(contestant, crowd, sizes, wanted, figures);
      process.stderr.write('.');
    }
  }
  process.stderr.write('\n');
  return figures;
}

function plays({ name }: Contestant, { consumers }: Crowd): boolean {
  return consumers !== crowdBesideRecipe || name === 'quorate' || name === 'etcd Go recipe Queue';
}

async function play(
  contestant: Contestant,
  crowd: Crowd,
  sizes: Sizes,
  wanted: (part: Part) => boolean,
  figures: Figures,
): Promise<void> {
  const { name, isSlow } = contestant;
  const { consumers } = crowd;
  const { warmUpJobs, bothJobs, enqueueJobs, longestMs } = isSlow ? sizes.slow : sizes;
  const { small, middle, large } = sizes.backlogs;
  const note = (figure: Figure, value: number) => figures.add(name, consumers, figure, value);
  const noteCosts = (where: 'backlog' | 'both', costs: Costs) => {
    for (const [cost, value] of Object.entries(costs)) note(`${where}: ${cost as keyof Costs}`, value);
  };
  const match = await Match.begin(contestant, crowd, longestMs);
  try {
    await match.warmUp(warmUpJobs);
    if (wanted('drain')) {
      const { perSecond, each } = await match.drain(middle);
      note('backlog middle', perSecond);
      noteCosts('backlog', each);
    }
    if (consumers === crowdBesideRecipe) return;
    if (wanted('drain') && name === 'quorate' && consumers === fewest) {
      for (let time = 0; time < sizes.smallTimes; time += 1) {
        note('backlog small', (await match.drain(small)).perSecond);
      }
    }
    if (wanted('both') || wanted('latency')) {
      const { perSecond, each } = await match.both(bothJobs);
      note('both', perSecond);
      noteCosts('both', each);
      if (wanted('latency')) {
        const { p50, p99 } = await match.latency(perSecond / 2, sizes.pacedMs);
        note('paced at', perSecond / 2);
        note('latency p50', p50);
        note('latency p99', p99);
      }
    }
    if (wanted('drain') && (!isSlow || (sizes.slow.hasLarge && consumers === fewest))) {
      note('backlog large', (await match.drain(large)).perSecond);
    }
    if (wanted('enqueue') && consumers === fewest) {
      for (const how of ['bulk', 'single'] as const) {
        note(`enqueue ${how}`, await match.enqueue(enqueueJobs, how));
      }
    }
  } finally {
    figures.addAccounts(name, match.accounts);
    await match.end();
  }
}
