/**
 * The queue beside its peers, all on this machine, each on a server of its own that writes to disk as it does by default: putting
 * in, taking out, both at once, with 1, 4 and 16 consumers; how long a job waits; what each costs; and whether each job was handled
 * once.
 */
import { type BenchOptions, type BenchResult, compared, median, type Row } from '../harness.js';
import { sumOf } from './accounts.js';
import { type Contestant, type ContestantName, field } from './contestants.js';
import { payloadBytes } from './payload.js';
import {
  type CostFigure,
  crowdBesideRecipe,
  crowdsOf,
  type Figure,
  type Figures,
  fewest,
  fullSizes,
  most,
  type Part,
  playAll,
  quickSizes,
  type Sizes,
} from './plan.js';

type Goals = Partial<Record<ContestantName, Row['goal']>>;

/** Its safest setting is what our every job has; with the other it may lose the last second. */
const besideBullMq: Goals = { 'BullMQ, always': { atLeast: 1 }, 'BullMQ, everysec': { atLeast: 1 } };
const besideRecipe: Goals = { 'etcd Go recipe Queue': { atLeast: 50 } };
const largeBesideSmall = { atMost: 1.3 };
const everyJob = { atLeast: 1 };
const notSlower = { atLeast: 1 };

export async function queuesBench({ quick, only = [] }: BenchOptions): Promise<BenchResult> {
  const sizes = quick ? quickSizes : fullSizes;
  const { contestants, leftOut } = field();
  const figures = await playAll(contestants, sizes, (part: Part) => only.length === 0 || only.includes(part));
  const peers = contestants.filter(({ name }) => name !== 'quorate');
  return {
    name: 'queues',
    settings: {
      ...settingsOf(sizes),
      ...Object.fromEntries(contestants.map(({ name, settings }) => [name, settings])),
    },
    rows: [...rowsBesidePeers(figures, peers, sizes), ...ownRows(figures, sizes), ...accountRows(figures)],
    rounds: figures.rounds,
    leftOut,
    remarks: [...figures.accounts].map(([name, accounts]) => {
      const { enqueued, lost, repeated, invented } = sumOf(accounts);
      return `${name}: of ${enqueued} jobs put in ${lost} lost, ${repeated} repeated, ${invented} invented`;
    }),
  };
}

function settingsOf({ rounds, slow, ...sizes }: Sizes): Record<string, string> {
  return {
    jobs: `${payloadBytes} characters, handlers that do nothing; a producer in a process of its own`,
    consumers: 'a process each with one client; 8 and 16 are 4 processes of 2 and 4 independent clients',
    rounds: `${rounds}, one match of each in turn, every second round backwards; medians; one for those that look at the whole queue for each job`,
    'warm-up':
      `${sizes.warmUpJobs} jobs in bulk and as many singly for each process of consumers, not counted; ` +
      `${slow.warmUpJobs} for those`,
    'both at once': `${sizes.bothJobs} jobs, in bulk; ${slow.bothJobs} for those`,
    'time limit': `${sizes.longestMs} ms a measure; ${slow.longestMs} ms for those`,
    latency: `${sizes.pacedMs} ms of single calls, after a second that is not counted`,
  };
}

function rowsBesidePeers(figures: Figures, peers: readonly Contestant[], sizes: Sizes): Row[] {
  const beside = (
    what: string,
    unit: string,
    consumers: number,
    figure: Figure,
    goals: Goals = {},
    times = 1,
  ): Row[] => {
    const valuesOf = (name: ContestantName) =>
      figures.of(name, consumers, figure).map((value) => value * times);
    const ours = valuesOf('quorate');
    if (ours.length === 0) return [];
    const rows = peers
      .map(({ name }) => ({ name, theirs: valuesOf(name) }))
      // Not all servers tell everything, and nothing is a multiple of nothing.
      .filter(({ theirs }) => median(theirs) > 0)
      .map(({ name, theirs }) => compared(what, unit, ours, name, theirs, goals[name]));
    return rows.length > 0 ? rows : [{ what, unit, ours: median(ours) }];
  };
  const { middle, large } = sizes.backlogs;
  const rate = 'jobs/s';
  const of = (consumers: number) => `, ${consumers} consumer${consumers === 1 ? '' : 's'}`;
  const throughout = crowdsOf(sizes)
    .map(({ consumers }) => consumers)
    .filter((consumers) => consumers !== crowdBesideRecipe);
  const both = 'enqueue + process + acknowledge';
  return [
    ...beside('enqueue alone, in bulk', rate, fewest, 'enqueue bulk'),
    ...beside('enqueue alone, 100 callers of a job each', rate, fewest, 'enqueue single'),
    ...crowdsOf(sizes).flatMap(({ consumers }) =>
      beside(
        `process + acknowledge ${middle}${of(consumers)}`,
        rate,
        consumers,
        'backlog middle',
        consumers === crowdBesideRecipe ? besideRecipe : {},
      ),
    ),
    ...throughout.flatMap((consumers) =>
      beside(`process + acknowledge ${large}${of(consumers)}`, rate, consumers, 'backlog large'),
    ),
    ...throughout.flatMap((consumers) =>
      beside(`${both}${of(consumers)}`, rate, consumers, 'both', besideBullMq),
    ),
    ...throughout.flatMap((consumers) => [
      ...beside(`half of that${of(consumers)}`, rate, consumers, 'paced at'),
      ...beside(`enqueue to start at half${of(consumers)}, p50`, 'ms', consumers, 'latency p50'),
      ...beside(`enqueue to start at half${of(consumers)}, p99`, 'ms', consumers, 'latency p99'),
    ]),
    ...throughout.flatMap((consumers) => {
      const counted = (name: string, figure: CostFigure) =>
        beside(`${name} for 1,000 jobs, ${both}${of(consumers)}`, '', consumers, figure, {}, 1_000);
      const time = (name: string, figure: CostFigure) =>
        beside(`processor time a job, ${name}, ${both}${of(consumers)}`, 'µs', consumers, figure);
      return [
        ...counted('requests', 'both: requests'),
        ...counted('Raft entries', 'both: raftEntries'),
        ...counted('watch messages', 'both: watchMessages'),
        ...time('server', 'both: serverUs'),
        ...time('clients', 'both: clientsUs'),
      ];
    }),
  ];
}

/** Beside itself: with more consumers, and with a longer queue. */
function ownRows(figures: Figures, { backlogs: { small, large } }: Sizes): Row[] {
  const of = (consumers: number, figure: Figure) => figures.of('quorate', consumers, figure);
  const own = (
    what: string,
    unit: string,
    ours: readonly number[],
    peer: string,
    beside: readonly number[],
    goal: Row['goal'],
  ) => (ours.length === 0 || beside.length === 0 ? [] : [compared(what, unit, ours, peer, beside, goal)]);
  const microsecondsEach = (rates: readonly number[]) => rates.map((rate) => 1_000_000 / rate);
  const besideFewest = (what: string, figure: Figure) =>
    own(
      `${what}, ${most} consumers`,
      'jobs/s',
      of(most, figure),
      `${fewest} consumer`,
      of(fewest, figure),
      notSlower,
    );
  return [
    ...besideFewest(`process + acknowledge ${large}`, 'backlog large'),
    ...besideFewest('enqueue + process + acknowledge', 'both'),
    ...own(
      `a job of a backlog of ${large}, ${fewest} consumer`,
      'µs',
      microsecondsEach(of(fewest, 'backlog large')),
      `of ${small}`,
      microsecondsEach(of(fewest, 'backlog small')),
      largeBesideSmall,
    ),
  ];
}

function accountRows({ accounts }: Figures): Row[] {
  const { enqueued, lost, repeated, invented } = sumOf(accounts.get('quorate') ?? []);
  const sound = enqueued - lost - repeated - invented;
  return [compared('neither lost nor repeated', 'jobs', [sound], 'put in', [enqueued], everyJob)];
}
