/**
 * A controller tells collectors, by a topic, how to follow 60 sources, again and again. Three collectors share them; one is killed with
 * `kill -9`, one is stopped past its lease and wakes up, and one comes later. The assignments of one source must be followed in
 * their order, whoever follows it.
 */
import { type ConsumerGroup, Topic } from 'quorate';
import type { ExampleProcess, Message } from '../support/example-process.js';
import type { Claim, Flow } from '../support/flow.js';
import { type Assignment, assignments, groupName, keyOf, partitions, topicName } from './assignment.js';

const collector = new URL('./collector.ts', import.meta.url);
const sources = 60;
const rounds = 20;
/** Longer than a session lives. */
const stoppedMs = 5_000;

/** What was reported, by whom, in the order of arrival. */
interface Heard {
  readonly process: ExampleProcess;
  readonly message: Message;
}

export async function logCollectors(flow: Flow): Promise<Claim[]> {
  const client = await flow.client();
  const topic = new Topic<Assignment>(client, topicName, { partitions });
  const group = topic.group(groupName);
  const heard: Heard[] = [];
  const start = (label: string) => {
    const process = flow.start(collector, label);
    process.onMessage((message) => heard.push({ process, message }));
    return process;
  };
  const first = ['one', 'two', 'three'].map(start);
  await Promise.all(first.map((process) => process.next('ready')));
  const [killed, stopped] = first;
  if (killed === undefined || stopped === undefined) throw new Error('no collectors');

  const all = assignments(sources, rounds);
  await topic.publishAll(all, { key: keyOf });
  flow.say(`${all.length} assignments of ${sources} sources in ${partitions} partitions, 3 collectors`);
  await heardOf(heard, all.length / 8);
  await Promise.all([killed.hold(), stopped.hold()]);
  await killed.crash();
  flow.say(
    `one collector was killed with kill -9 after it had begun ${begunBy(heard, killed).length} assignments`,
  );
  stopped.pause();
  const late = start('late');
  await late.next('ready');
  await new Promise((resolve) => setTimeout(resolve, stoppedMs));
  stopped.resume();
  stopped.send({ type: 'go-on' });
  flow.say(`one was stopped for ${stoppedMs / 1_000} s, past its lease, and woke up; another came`);
  await caughtUp(flow, topic);
  await answered(heard, stopped);

  const claims = await judge(topic, all, heard, { killed, stopped });
  const { members, owned, owners } = await sharedAgain(group, 3);
  for (const process of [...first, late].filter((one) => one !== killed)) process.send({ type: 'stop' });
  await Promise.all([...first, late].filter((one) => one !== killed).map((one) => one.finished()));
  await topic.close();
  await client.close();
  const shared = {
    claim: 'the living share what the dead had',
    evidence: `${members.length} members own ${owned.length} partitions among ${owners.size}`,
    holds: members.length === 3 && owners.size === 3 && !owners.has(undefined),
  };
  return [...claims, shared];
}

/** Waits until so many share the partitions: who woke up has to open a session first. The flow's own time limit bounds it. */
async function sharedAgain(group: ConsumerGroup<Assignment>, living: number) {
  for (;;) {
    const { members, partitions: owned } = await group.describe();
    const owners = new Set(owned.map(({ owner }) => owner));
    if (members.length === living && owners.size === living && !owners.has(undefined)) {
      return { members, owned, owners };
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function begunBy(heard: readonly Heard[], process: ExampleProcess): readonly Heard[] {
  return heard.filter((one) => one.process === process && one.message.type === 'begin');
}

async function heardOf(heard: readonly Heard[], acknowledged: number): Promise<void> {
  while (heard.filter(({ message }) => message.type === 'acknowledged').length < acknowledged) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Waits until of each assignment that it has begun it was told whether it has acknowledged it. The same time limit bounds it. */
async function answered(heard: readonly Heard[], process: ExampleProcess): Promise<void> {
  const isAnswer = ({ message }: Heard) => message.type === 'acknowledged' || message.type === 'refused';
  const open = () => {
    const answers = heard.filter((one) => one.process === process && isAnswer(one));
    return begunBy(heard, process).length - answers.length;
  };
  while (open() > 0) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** Waits until the group has nothing left. The flow's own time limit bounds it. */
async function caughtUp(flow: Flow, topic: Topic<Assignment>): Promise<void> {
  for (let second = 0; ; second += 1) {
    const lag = await topic.group(groupName).lag();
    const left = lag.reduce((sum, { messages }) => sum + messages, 0);
    if (second % 4 === 0 || left === 0) flow.say(`${left} assignments left`);
    if (left === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

async function judge(
  topic: Topic<Assignment>,
  all: readonly Assignment[],
  heard: readonly Heard[],
  { killed, stopped }: { readonly killed: ExampleProcess; readonly stopped: ExampleProcess },
): Promise<Claim[]> {
  const nameOf = ({ source, version }: Message | Assignment) => `${String(source)}/${String(version)}`;
  const begins = heard.filter(({ message }) => message.type === 'begin');
  const begun = new Set(begins.map(({ message }) => nameOf(message)));
  const overtakings = overtakingsIn(begins);
  const again = begins.length - begun.size;
  const after = repeatedAfterAcknowledgement(heard, nameOf);
  const refused = heard.filter(({ process, message }) => process === stopped && message.type === 'refused');
  const replayed: Assignment[] = [];
  for await (const item of topic.read({ follow: false })) {
    if (item.type === 'message') replayed.push(item.value);
  }
  const inOrder = replayed.filter((one, at) => {
    const before = replayed.slice(0, at).findLast(({ source }) => source === one.source);
    return (before?.version ?? 0) === one.version - 1;
  });
  return [
    {
      claim: 'nothing lost: every assignment was followed, and the group has none left',
      evidence: `${begun.size} of ${all.length} begun, 0 left`,
      holds: begun.size === all.length,
    },
    {
      claim: 'assignments of a source are followed in their order',
      evidence: `${overtakings} overtakings among ${begins.length}`,
      holds: overtakings === 0,
    },
    {
      claim: 'what a dead collector had in hand is followed by another',
      evidence: `${again} begun a second time, after ${begunBy(heard, killed).length} of the dead one's`,
      holds: again > 0,
    },
    {
      claim: 'what was acknowledged is not handed out again',
      evidence: `${after} begun after that`,
      holds: after === 0,
    },
    {
      claim: 'who stood still past its lease acknowledges nothing',
      evidence: `${refused.length} acknowledgements refused (${[...new Set(refused.map(({ message }) => message.code))].join(', ')})`,
      holds: refused.length > 0,
    },
    {
      claim: 'the log can be read again from its start, in order',
      evidence: `${inOrder.length} of ${replayed.length} in place`,
      holds: inOrder.length === all.length && replayed.length === all.length,
    },
  ];
}

/** How often a collector began an assignment of a source after a later one. */
function overtakingsIn(begins: readonly Heard[]): number {
  const latest = new Map<string, number>();
  let overtakings = 0;
  for (const { process, message } of begins) {
    const place = `${process.label}/${String(message.source)}`;
    if (Number(message.version) < (latest.get(place) ?? 0)) overtakings += 1;
    latest.set(place, Number(message.version));
  }
  return overtakings;
}

function repeatedAfterAcknowledgement(heard: readonly Heard[], nameOf: (message: Message) => string): number {
  const acknowledged = new Set<string>();
  let repeated = 0;
  for (const { message } of heard) {
    if (message.type === 'begin' && acknowledged.has(nameOf(message))) repeated += 1;
    if (message.type === 'acknowledged') acknowledged.add(nameOf(message));
  }
  return repeated;
}
