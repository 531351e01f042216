/** A machine with files, processes on it that keep a configuration there, and somebody elsewhere who changes it. */
import {
  type ConfigFilesNote,
  type FoundConfigPair as FoundPair,
  isFollowedByRun,
} from '../../src/checkers/index.js';
import {
  ConfigAgent,
  type ConfigAgentEvent,
  ConfigDocument,
  ConfigEditor,
  LastKnownGoodConfig,
} from '../../src/config/index.js';
import { isQuorateError, QuorateError } from '../../src/errors.js';
import { type RunProgram, type Runtime, sleep } from '../../src/runtime/index.js';
import { Client } from '../../src/session/index.js';
import type { ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import { MemoryFiles } from '../support/memory-files.js';
import { namespace, openClient } from '../support/open-client.js';
import type { World } from '../support/world.js';
import type { Situation } from './situations.js';
import type { ConfigFilesWorkload, ProcessPlan } from './workload.js';

const name = 'c';
const path = '/state/c';
const file = '/out/c.json';
const ttlMs = 3_000;
const retryMs = 150;
const done = { endedBy: undefined, hasTimedOut: false, output: '', error: undefined } as const;

interface Numbered {
  readonly n: number;
}

export class Scene {
  readonly notes: ConfigFilesNote[] = [];
  readonly processes: SimulatedProcess[] = [];
  isHealed = false;
  readonly #world: World<ConfigFilesWorkload>;
  readonly #disk: MemoryFiles;
  readonly #a = new ConfigDocument<Numbered>('a');
  readonly #b = new ConfigDocument<Numbered>('b');
  #clock: Runtime | undefined;
  #changes = 0;
  #agent: ConfigAgent | undefined;
  #writer: SimulatedProcess | undefined;

  constructor(world: World<ConfigFilesWorkload>) {
    this.#world = world;
    this.#disk = new MemoryFiles({
      wallMs: () => this.#clock?.wallMs() ?? 0,
      random: () => world.random.next(),
      onChange: (changed) => this.#look(changed),
    });
    for (const [index, plan] of world.workload.processes.entries()) this.#start(plan, index);
    this.#writer = world.start('writer', (context) => this.#write(context));
    this.processes.push(this.#writer);
  }

  reached(situation: Situation): void {
    this.#world.reached(situation);
  }

  /** The power of the machine fails. */
  crash(): void {
    const machine = this.processes.filter((process) => process !== this.#writer);
    for (const process of machine) process.crash();
    this.#disk.crash();
    this.notes.push({ type: 'machine-crashed' });
    this.#look(path);
    this.#look(file);
    for (const process of machine) process.restart();
    this.reached('the machine crashed');
  }

  /** One digit of a document in the newest file becomes another. */
  damage(): void {
    const newest = this.#newest();
    if (newest === undefined) return;
    const text = this.#disk.text(newest) as string;
    const changed = text.replace(
      /(\\"n\\":)(\d)/,
      (_all, start: string, digit: string) => start + ((Number(digit) + 1) % 10),
    );
    if (changed === text) return;
    this.notes.push({ type: 'damaged' });
    this.#disk.put(newest, changed);
    this.reached('a file was changed by somebody else');
  }

  pending(): string | undefined {
    const agent = this.#agent;
    const [first] = this.processes;
    if (first?.isCore !== true || this.#writer?.isCore !== true) return undefined;
    if (this.#changes < this.#world.workload.changes) return 'changes are not made';
    if (agent?.status.state !== 'current') return `the agent is ${agent?.status.state}`;
    const pair = pairOf(this.#disk.text(file));
    if (pair === undefined || pair === 'torn' || pair.a < this.#changes)
      return 'the file has not the last change';
    return isFollowedByRun(this.notes)
      ? undefined
      : 'CONFIG-12 the last change of the file is not followed by a run';
  }

  #start(plan: ProcessPlan, index: number): void {
    const process = this.#world.start(`process ${index}`, async (context) => {
      this.#clock ??= context.runtime;
      this.notes.push({ type: 'begins', process: context.name });
      const { runtime } = context;
      if (plan.dieEveryMs > 0) {
        runtime.setTimer(plan.dieEveryMs, () => {
          if (this.isHealed) return;
          this.reached('a process died');
          process.crash();
          process.restart();
        });
      }
      await (index === 0 ? this.#keep(context, plan) : this.#read(context, plan));
    });
    this.processes.push(process);
  }

  #options(context: ProcessContext, plan: ProcessPlan) {
    const { runtime } = context;
    const untilMs = runtime.monotonicMs() + plan.awayMs;
    const { clockRateError } = this.#world.plan.knobs;
    return {
      connect: () => {
        if (runtime.monotonicMs() < untilMs) throw new QuorateError('unreachable', 'it is away');
        return Client.open({
          ...{ store: context.store, runtime, namespace, ttlMs, clockRateError },
          connectTimeoutMs: 2_000,
        });
      },
      ...{
        namespace,
        runtime,
        documents: [this.#a, this.#b],
        instance: { id: 'i' },
        lastKnownGoodPath: path,
      },
      ...{ offlineAfterMs: 400, proveEveryMs: 300 },
      fileSystem: this.#disk.process(async () => {
        if (this.isHealed) return;
        if (plan.stepMs > 0) await sleep(runtime, plan.stepMs * this.#world.random.next());
        if (this.#world.random.next() < plan.failures) throw new Error('EIO: planned');
      }),
      onEvent: (event: ConfigAgentEvent) => this.#told(context.name, event),
    };
  }

  async #keep(context: ProcessContext, plan: ProcessPlan): Promise<void> {
    const life = `${context.name}.${context.incarnation}`;
    const runProgram: RunProgram = async () => {
      const { runMs, runsFail } = this.#world.workload;
      this.notes.push({ type: 'run-begins', life });
      await sleep(context.runtime, runMs);
      const isDone = this.isHealed || !runsFail || this.#world.random.next() < 0.5;
      this.notes.push({ type: 'run-ends', life, isDone });
      if (!isDone) this.reached('a run failed');
      return { ...done, exitCode: isDone ? 0 : 1 };
    };
    const agent = ConfigAgent.start(name, {
      ...this.#options(context, plan),
      ...{ files: [{ path: file, content: [this.#a, this.#b] }], command: { program: 'reload' }, runProgram },
    });
    this.#agent = agent;
    const revision = await agent.ready();
    if (agent.status.state === 'offline') this.reached('files were made of the last known good');
    context.note(`files are of revision ${revision}`);
  }

  async #read(context: ProcessContext, plan: ProcessPlan): Promise<void> {
    for (;;) {
      try {
        const { config, startedWith } = await LastKnownGoodConfig.open(name, this.#options(context, plan));
        if (startedWith === undefined) return;
        this.reached('a process began without the store');
        const [a, b] = [config.get(this.#a)?.n, config.get(this.#b)?.n];
        // It may have been given something newer meanwhile.
        if (!config.snapshot.isOffline) return;
        const pair = a === undefined && b === undefined ? undefined : { a: a ?? 0, b: b ?? 0 };
        this.notes.push({ type: 'offline', process: context.name, revision: startedWith.revision, pair });
        return;
      } catch (error) {
        if (!isQuorateError(error, 'unreachable')) throw error;
        await sleep(context.runtime, retryMs);
      }
    }
  }

  #told(process: string, event: ConfigAgentEvent): void {
    if (event.type === 'kept') this.notes.push({ type: 'kept', revision: event.revision });
    else if (event.type === 'files-changed') this.notes.push({ type: 'files-changed' });
    else if (event.type === 'online') this.reached('a process read the store');
    else if (event.type === 'keeping-failed') this.reached('keeping failed');
    else if (event.type === 'file-refused') {
      const reason = String(event.error.details['reason']);
      this.notes.push({ type: 'refused', process, reason });
      if (reason === 'damaged') this.reached('a damaged file was refused');
    }
  }

  async #write(context: ProcessContext): Promise<void> {
    const { runtime } = context;
    const { changes, changeEveryMs } = this.#world.workload;
    const { knobs } = this.#world.plan;
    const client = await openClient(context, { store: context.store, ttlMs, knobs });
    const editor = new ConfigEditor(client, name, { documents: [this.#a, this.#b], author: 'w' });
    while (this.#changes < changes) {
      try {
        const { layers } = await editor.read(this.#a);
        const [layer] = layers;
        const n = ((layer?.content as Numbered | undefined)?.n ?? 0) + 1;
        // So that what an earlier life sent is not applied after it.
        const set = this.#a.set({ n }, { expected: layer?.revision ?? 0 });
        if (n <= changes) await editor.change([set, this.#b.set({ n })], { reason: 'r' });
        this.#changes = Math.min(n, changes);
      } catch {
        await sleep(runtime, retryMs);
      }
      await sleep(runtime, changeEveryMs);
    }
  }

  #look(changed: string): void {
    if (changed === file) this.notes.push({ type: 'file', pair: pairOf(this.#disk.text(file)) });
    if (!changed.startsWith(path)) return;
    const newest = this.#newest();
    const revision = newest === undefined ? undefined : Number.parseInt(newest.slice(-16), 16);
    const text = newest === undefined ? undefined : this.#disk.text(newest);
    this.notes.push({ type: 'newest', revision, pair: savedPairOf(text) });
  }

  #newest(): string | undefined {
    return this.#disk.paths.filter((one) => /^\/state\/c\.[^.]+\.[0-9a-f]{16}$/.test(one)).at(-1);
  }
}

function pairOf(text: string | undefined): FoundPair {
  if (text === undefined) return undefined;
  try {
    const { a, b } = JSON.parse(text) as { a?: Numbered; b?: Numbered };
    return { a: a?.n ?? 0, b: b?.n ?? 0 };
  } catch {
    return 'torn';
  }
}

function savedPairOf(text: string | undefined): FoundPair {
  if (text === undefined) return undefined;
  try {
    const { contents } = JSON.parse(text.split('\n')[1] ?? '') as {
      contents: Readonly<Record<string, { text: string }>>;
    };
    const numberIn = (document: string) => (JSON.parse(contents[document]?.text ?? '{"n":0}') as Numbered).n;
    return { a: numberIn('a'), b: numberIn('b') };
  } catch {
    return 'torn';
  }
}
