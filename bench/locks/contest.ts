/** Runs contenders of one kind against each other for a while, on a server of their own. */
import { setTimeout as delay } from 'node:timers/promises';
import { Program } from '../program.js';
import type { Server, Traffic } from '../servers.js';
import { type Acquisition, handOvers, handOversMs, parseAcquisitions, within } from './acquisitions.js';
import type { Contestant } from './contestants.js';
import { nowUs } from './loop.js';

export interface Contest {
  readonly processes: number;
  /** Independent clients in each process. */
  readonly clients: number;
  /** Callers of each client's lock. */
  readonly callers: number;
  readonly writesPerSecond: number;
  /** Not counted: the first seconds, in which compilers are at work. */
  readonly warmUpMs: number;
  readonly durationMs: number;
}

export interface Outcome {
  /** In the order of their grants, those of the measured time. */
  readonly acquisitions: readonly Acquisition[];
  readonly perSecond: number;
  /** How often it went from one client to another. */
  readonly handOversPerSecond: number;
  readonly handOversMs: readonly number[];
  /** What each acquisition cost the server, where the server tells; with a writer its writes are in it. */
  readonly requestsEach?: number;
  readonly watchMessagesEach?: number;
  /** Milliseconds of processor time that the contenders' processes used for each, which other load changes least. */
  readonly processorMsEach: number;
}

/** How long contenders may take to end after their time, when all of them get a last turn. */
const endingMs = 60_000;

let contests = 0;

export async function hold(contestant: Contestant, contest: Contest): Promise<Outcome> {
  const server = await contestant.start();
  const processes: Program[] = [];
  try {
    if (contest.writesPerSecond > 0) {
      const writer = new Program(contestant.writer, [server.endpoint, String(contest.writesPerSecond)]);
      processes.push(writer);
      await writer.ready;
    }
    return await measure(contestant, contest, server, processes);
  } finally {
    for (const one of processes) one.kill();
    await server.stop();
  }
}

async function measure(
  contestant: Contestant,
  contest: Contest,
  server: Server,
  processes: Program[],
): Promise<Outcome> {
  contests += 1;
  const { clients, callers, durationMs } = contest;
  const warmUpMs = contest.warmUpMs * contestant.warmUps(contest.processes);
  const args = [server.endpoint, `lock-${contests}`, ...[clients, callers, warmUpMs, durationMs].map(String)];
  const contenders = Array.from({ length: contest.processes }, () => new Program(contestant.command, args));
  processes.push(...contenders);
  await Promise.all(contenders.map((one) => one.ready));
  const beginUs = nowUs();
  for (const one of contenders) one.begin();
  await delay(warmUpMs);
  const observed = await observe(server, contenders, durationMs);
  const texts = await Promise.all(contenders.map((one) => one.output(durationMs + endingMs)));
  const all = texts.flatMap((text, process) => parseAcquisitions(process, text));
  const fromUs = beginUs + warmUpMs * 1_000;
  const acquisitions = within(all, fromUs, fromUs + durationMs * 1_000);
  const times = handOversMs(acquisitions);
  const overlaps = times.filter((ms) => ms < 0).length;
  if (overlaps > 0) throw new Error(`${contestant.name}: ${overlaps} times two held the lock at once`);
  return {
    acquisitions,
    perSecond: (acquisitions.length / durationMs) * 1_000,
    handOversPerSecond: (handOvers(acquisitions).length / durationMs) * 1_000,
    handOversMs: times,
    ...each(observed, within(all, observed.fromUs, observed.toUs).length),
  };
}

interface Observed {
  readonly fromUs: number;
  readonly toUs: number;
  readonly processorMs: number;
  readonly traffic?: Traffic;
}

/** What server and contenders did in a time that lies within the measured one. */
async function observe(
  server: Server,
  contenders: readonly Program[],
  durationMs: number,
): Promise<Observed> {
  const processorMs = async () =>
    (await Promise.all(contenders.map((one) => one.processorMs()))).reduce((sum, ms) => sum + ms, 0);
  const [trafficBefore, msBefore] = [await server.traffic?.(), await processorMs()];
  const fromUs = nowUs();
  await delay(durationMs * 0.8);
  const toUs = nowUs();
  const [trafficAfter, msAfter] = [await server.traffic?.(), await processorMs()];
  const observed = { fromUs, toUs, processorMs: msAfter - msBefore };
  if (trafficBefore === undefined || trafficAfter === undefined) return observed;
  const traffic = {
    requests: trafficAfter.requests - trafficBefore.requests,
    watchRequests: trafficAfter.watchRequests - trafficBefore.watchRequests,
    watchMessages: trafficAfter.watchMessages - trafficBefore.watchMessages,
    raftEntries: trafficAfter.raftEntries - trafficBefore.raftEntries,
  };
  return { ...observed, traffic };
}

function each({ processorMs, traffic }: Observed, acquisitions: number) {
  return {
    processorMsEach: processorMs / acquisitions,
    ...(traffic && {
      requestsEach: (traffic.requests + traffic.watchRequests) / acquisitions,
      watchMessagesEach: traffic.watchMessages / acquisitions,
    }),
  };
}
