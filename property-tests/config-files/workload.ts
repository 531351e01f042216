/** What happens on a machine whose processes keep a configuration on disk: plain data. */
import fc from 'fast-check';
import { pickFrom } from '../support/pick.js';
import { type Weather, weathers } from '../support/weather.js';

export interface ProcessPlan {
  /** From the start of each life on, it cannot connect for so long. */
  readonly awayMs: number;
  /** Each step of its work with files takes up to so long. */
  readonly stepMs: number;
  /** So many of its steps fail: half of these are done all the same. */
  readonly failures: number;
  /** It dies so often; 0: only where that is one of the faults. */
  readonly dieEveryMs: number;
}

export interface ConfigFilesWorkload {
  readonly weather: Weather;
  /** The first is the agent. The others read, and share its path. */
  readonly processes: readonly ProcessPlan[];
  readonly changes: number;
  readonly changeEveryMs: number;
  readonly runMs: number;
  readonly runsFail: boolean;
  /** The machine crashes so often, with all processes; 0: never. */
  readonly crashEveryMs: number;
  /** At this time a file of the last known good is changed by somebody; 0: never. */
  readonly damageAtMs: number;
}

export const withinMs = 4_000;

const plain = { noNullPrototype: true } as const;

const processPlan: fc.Arbitrary<ProcessPlan> = fc.record(
  {
    awayMs: pickFrom([0, 0, 900, 900, 2_500]),
    stepMs: pickFrom([0, 1, 10, 80]),
    failures: pickFrom([0, 0, 0.02, 0.15]),
    dieEveryMs: pickFrom([0, 0, 700, 1_500]),
  },
  plain,
);

export const configFilesWorkload: fc.Arbitrary<ConfigFilesWorkload> = fc.record(
  {
    weather: weathers,
    processes: fc.array(processPlan, { minLength: 1, maxLength: 3, size: 'max' }),
    changes: pickFrom([1, 5, 20]),
    changeEveryMs: pickFrom([10, 60, 300]),
    runMs: pickFrom([5, 100, 600]),
    runsFail: pickFrom([false, true]),
    crashEveryMs: pickFrom([0, 0, 900, 2_200]),
    damageAtMs: pickFrom([0, 0, 0, 1_500]),
  },
  plain,
);
