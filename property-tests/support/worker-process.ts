import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { Compiled } from './compiled.js';
import type { Failure } from './failure.js';
import type { Finding, Job, JobResult, WorkerMessage } from './jobs.js';
import type { Plan } from './plan.js';
import { noTotals } from './totals.js';

/** A run that is stuck says so itself where it can; only one that does not even come to that is killed. */
const graceMs = 5_000;
const longestStderr = 4_000;

/** A worker, seen from the runner. Does one job at a time. */
export class WorkerProcess {
  readonly #child: ChildProcess;
  #stderr = '';
  #isAlive = true;

  constructor({ root, properties }: Compiled) {
    this.#child = fork(join(root, 'property-tests', 'support', 'worker.js'), [properties], {
      cwd: root,
      execArgv: ['--enable-source-maps', '--no-warnings'],
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-longestStderr);
    });
    this.#child.once('exit', () => {
      this.#isAlive = false;
    });
  }

  /** False after a job during which it died. */
  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** Answers whatever happens; if the worker hangs or dies, with the plan that it was at. */
  do(job: Job): Promise<JobResult> {
    return new Promise((resolve) => {
      let running: Plan | undefined;
      let found: Finding | undefined;
      let watchdog: NodeJS.Timeout | undefined;
      const end = (result: JobResult) => {
        clearTimeout(watchdog);
        this.#child.removeAllListeners('message').removeListener('exit', died);
        resolve(result);
      };
      const fail = (failure: Failure) => {
        this.stop();
        const finding = found ?? { failure, plan: running, timelineHash: '', runs: 0, executions: 0 };
        end({ totals: noTotals(), corpusRuns: 0, finding });
      };
      const died = (code: number | null, signal: string | null) =>
        fail({ kind: 'error', message: `its process ended (${signal ?? code}):\n${this.#stderr}` });
      const watch = () => {
        clearTimeout(watchdog);
        const message = `no end: nothing heard of the run for more than ${job.stuckAfterMs / 1_000} s of real time`;
        watchdog = setTimeout(() => fail({ kind: 'runaway', message }), job.stuckAfterMs + graceMs);
      };
      this.#child.on('message', (message: WorkerMessage) => {
        watch();
        if (message.type === 'running') running = message.plan;
        else if (message.type === 'found') found = message.finding;
        else end(message.result);
      });
      this.#child.once('exit', died);
      watch();
      this.#child.send(job);
    });
  }

  stop(): void {
    this.#isAlive = false;
    this.#child.kill('SIGKILL');
  }
}
