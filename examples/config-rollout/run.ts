/**
 * A change of two documents that must fit together is rolled out to a tenth of twenty running processes, then to half of them, then
 * to all; and rolled back. One process stands still while it is promoted.
 */
import { ConfigEditor, type ConfigRollout } from 'quorate/config';
import type { ExampleProcess } from '../support/example-process.js';
import type { Claim, Flow } from '../support/flow.js';
import { batching, configuration, documents, timeouts } from './documents.js';

const script = new URL('./instance.ts', import.meta.url);
const count = 20;
const pauseMs = 1_200;
const before = [batching.set({ size: 10 }), timeouts.set({ perBatchMs: 100 })];
const larger = [batching.set({ size: 50 }), timeouts.set({ perBatchMs: 500 })];

export async function configRollout(flow: Flow): Promise<Claim[]> {
  const client = await flow.client();
  const editor = new ConfigEditor(client, configuration, { documents, author: 'operator' });
  const first = await editor.change(before, { reason: 'the first settings' });
  const started = Array.from({ length: count }, (_none, index) => flow.start(script, `web-${index + 1}`));
  const instances = started.map((process) => new Instance(process));
  await all(instances, ({ revision }) => revision >= first.revision);
  flow.say(`${count} processes run with batches of 10`);

  // The share is that of a hash of the rollout's id and the instance's: under this id it is the same in every run.
  const options = { reason: 'larger batches are cheaper', changeId: 'fifty-at-a-time' };
  const begun = await editor.rollouts.start(larger, { percent: 10 }, options);
  const tenth = await takersOf(instances, begun);
  flow.say(`rolled out to 10 %: taken by ${tenth.join(', ')}`);
  const grown = await editor.rollouts.grow(begun, { percent: 50 }, { reason: 'no errors so far' });
  const half = await takersOf(instances, grown);
  flow.say(`grown to 50 %: taken by ${half.length} of ${count}`);

  const [sleeper] = instances.filter(({ label }) => !half.includes(label)) as [Instance];
  sleeper.process.pause();
  const promotedMs = performance.now();
  const promoted = await editor.rollouts.promote(grown, { reason: 'fine with half of them' });
  const awake = instances.filter((one) => one !== sleeper);
  await all(awake, ({ revision, size }) => revision >= promoted.revision && size === 50);
  const reachedMs = performance.now() - promotedMs;
  flow.say(
    `promoted: all but ${sleeper.label}, which stands still, have it after ${reachedMs.toFixed(0)} ms`,
  );
  await new Promise((resolve) => setTimeout(resolve, pauseMs));
  const stillOld = sleeper.size === 10;
  sleeper.process.resume();
  await all(instances, ({ revision, size }) => revision >= promoted.revision && size === 50);

  const rolledBack = await editor.rollbackTo(first, { reason: 'the disks are full' });
  await all(instances, ({ revision, size }) => revision >= rolledBack.revision && size === 10);
  flow.say('rolled back: all have batches of 10 again');
  const told = await historyOf(editor);
  await client.close();
  for (const { process } of instances) process.send({ type: 'stop' });
  const ends = await Promise.all(instances.map(({ process }) => process.next('end')));
  await Promise.all(instances.map(({ process }) => process.finished()));
  const misfits = ends.reduce((sum, { misfits: own }) => sum + Number(own), 0);
  const noticedMs = Number(ends[instances.indexOf(sleeper)]?.oldestMs);
  const updates = instances.reduce((sum, { updates: own }) => sum + own, 0);
  return [
    {
      claim: 'a tenth took it, then half, and who had it kept it',
      evidence: `${tenth.length}, then ${half.length} of ${count}`,
      holds:
        tenth.length === 2 && half.length > 6 && half.length < 14 && tenth.every((one) => half.includes(one)),
    },
    {
      claim: 'all had it once it was promoted',
      evidence: `${count - 1} after ${reachedMs.toFixed(0)} ms, the one that stood still when it woke up`,
      holds: stillOld && reachedMs < 5_000,
    },
    {
      claim: 'who stood still knew how old its settings were',
      evidence: `${noticedMs.toFixed(0)} ms noticed of ${pauseMs} ms`,
      holds: noticedMs >= pauseMs,
    },
    {
      claim: 'nobody ever had documents that do not fit together',
      evidence: `${misfits} of ${updates} times`,
      holds: misfits === 0 && updates >= 3 * count,
    },
    {
      claim: 'the rollback brought back what was before, and the history tells it all',
      evidence: told.join(', '),
      holds: told.join() === 'change,rollout,grow,promote,rollback',
    },
  ];
}

/** A process, and what it was given last. */
class Instance {
  readonly process: ExampleProcess;
  revision = 0;
  size = 0;
  rollout = '';
  updates = 0;

  constructor(process: ExampleProcess) {
    this.process = process;
    process.onMessage((message) => {
      if (message.type !== 'given') return;
      this.revision = Number(message.revision);
      this.size = Number(message.size);
      this.rollout = String(message.rollout);
      this.updates += 1;
    });
  }

  get label(): string {
    return this.process.label;
  }
}

/** Waits until it is so of all of them. */
async function all(instances: readonly Instance[], isSo: (instance: Instance) => boolean): Promise<void> {
  while (!instances.every(isSo)) {
    const gone = instances.find(({ process }) => !process.isRunning);
    if (gone !== undefined) throw new Error(`${gone.label} has ended`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The labels of those who take it, once all know of it. */
async function takersOf(
  instances: readonly Instance[],
  { id, revision }: ConfigRollout,
): Promise<readonly string[]> {
  await all(instances, (instance) => instance.revision >= revision);
  return instances.filter(({ rollout }) => rollout === id).map(({ label }) => label);
}

/** What was done, the first first. */
async function historyOf(editor: ConfigEditor): Promise<readonly string[]> {
  const actions: string[] = [];
  for await (const { action } of editor.history(batching)) actions.unshift(action);
  return actions;
}
