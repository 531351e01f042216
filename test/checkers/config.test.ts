import { describe, expect, it } from 'vitest';
import { type ConfigCall, type ConfigCheck, checkConfig, type ToldConfig } from '../../src/checkers/index.js';
import { ConfigKeys } from '../../src/config/keys.js';
import { encodeHistory, type HistoryRecord } from '../../src/config/records/history.js';
import { encodePolicy } from '../../src/config/records/policy.js';
import { encodeProposal, encodeVote } from '../../src/config/records/review.js';
import { encodeRollout, type RolloutRecord } from '../../src/config/records/rollout.js';
import { grown, nobody, type RolloutRule } from '../../src/config/rollout/rule.js';
import { bytesOf } from '../../src/store/index.js';
import { brokenBy, type Change, Story } from './story.js';

const keys = new ConfigKeys('c/');
const by = { author: 'ada', atMs: 1, reason: 'why' };

type Values = Readonly<Record<string, unknown>>;

/** Tells changes with all that belongs to them, so that a test need only say what is wrong. */
class ConfigStory {
  readonly story = new Story();
  readonly calls: ConfigCall[] = [];
  readonly #numbers = new Map<string, number>();
  #layers = new Map<string, { text: string; revision: number }>();
  #rollouts = new Map<string, RolloutRecord>();

  /** Layers by `document/scope`; undefined: removed. */
  change(
    layers: Values,
    told: Partial<HistoryRecord> = {},
    also: Readonly<Record<string, Change>> = {},
  ): number {
    const documents = [...new Set(Object.keys(layers).map((layer) => layer.slice(0, 1)))];
    return this.#step(documents, told, also, layers);
  }

  rollout(document: string, value: unknown, rule: RolloutRule, told: Partial<HistoryRecord> = {}): number {
    const content = bytesOf(JSON.stringify(value));
    const base = this.#layers.get(`${document}/`)?.revision ?? 0;
    const before = this.#rollouts.get(document);
    const rollout: RolloutRecord = {
      ...{ ...by, id: 'r', documents: [document] },
      ...{ rule: grown(before?.rule ?? nobody, rule), layers: [{ scope: '', content, base }] },
    };
    this.#rollouts.set(document, rollout);
    const action = before === undefined ? 'rollout' : 'grow';
    const put = { [keys.rollout(document)]: { value: encodeRollout(rollout) } };
    return this.#step([document], { action, rollout: toldOf(rollout), ...told }, put);
  }

  end(document: string, layers: Values, action: 'promote' | 'abort'): number {
    const rollout = this.#rollouts.get(document) as RolloutRecord;
    this.#rollouts.delete(document);
    const gone = { [keys.rollout(document)]: {} };
    return this.#step([document], { action, rollout: toldOf(rollout) }, gone, layers);
  }

  /** The last call, told otherwise. */
  last(change: Partial<ConfigCall>): this {
    Object.assign(this.calls.at(-1) as ConfigCall, change);
    return this;
  }

  #step(
    documents: readonly string[],
    told: Partial<HistoryRecord>,
    also: Readonly<Record<string, Change>>,
    layers: Values = {},
  ): number {
    const revision = this.story.revision + 1;
    this.story.at(revision * 100);
    const id = `id ${revision}`;
    const step: Record<string, Change> = { [keys.stamp]: { value: id }, ...also };
    const action = told.action ?? 'change';
    for (const document of documents) {
      const number = (this.#numbers.get(document) ?? 0) + 1;
      this.#numbers.set(document, number);
      const changed = Object.entries(layers).filter(([layer]) => layer.startsWith(document));
      const told1 = changed.map(([layer, value]) => {
        const scope = layer.slice(2);
        const before = this.#layers.get(layer)?.text;
        const after = value === undefined ? undefined : JSON.stringify(value);
        step[keys.layer(document, scope)] = after === undefined ? {} : { value: after };
        if (after === undefined) this.#layers.delete(layer);
        else this.#layers.set(layer, { text: after, revision });
        const bytes = (text: string | undefined) => (text === undefined ? undefined : bytesOf(text));
        return { scope, before: bytes(before), after: bytes(after) };
      });
      const record: HistoryRecord = { ...by, number, action, id, documents, layers: told1, ...told };
      step[keys.history(document, record.number)] = { value: encodeHistory(record) };
    }
    this.calls.push({
      ...{ process: 'p', id, do: action, outcome: 'done', revision },
      ...{ beganAtMs: revision * 100 - 5, endedAtMs: revision * 100 + 5, seen: revision - 1 },
    });
    return this.story.step(step);
  }
}

function toldOf({ id, rule, layers }: RolloutRecord) {
  return { id, rule, layers };
}

const reader = (given: readonly [number, Values][], more: Partial<ToldConfig> = {}): ToldConfig => ({
  ...{ process: 'p', scope: 'eu', instance: { id: 'i' }, looks: [], syncs: [] },
  given: given.map(([revision, values]) => ({ revision, values })),
  ...more,
});

function check({ story, calls }: ConfigStory, change: Partial<ConfigCheck> = {}) {
  const isValid = (_document: string, value: unknown) => (value as { n?: unknown }).n !== 'bad';
  return () =>
    checkConfig({
      ...{
        history: story.history(),
        prefix: keys.prefix,
        documents: ['a', 'b'],
        isValid,
        readers: [],
        calls,
      },
      ...change,
    });
}

/** a and b at 2, an overlay of a at 3, a rollout of a at 4. */
function told(): ConfigStory {
  const story = new ConfigStory();
  story.change({ 'a/': { n: 1, m: 1 }, 'b/': { n: 1 } });
  story.change({ 'a/eu': { m: null, k: 2 } });
  story.rollout('a', { n: 9 }, { instances: ['i'] });
  return story;
}

describe('checkConfig', () => {
  it('counts what it checked of a history that keeps every promise', () => {
    const story = told();
    story.end('a', { 'a/': { n: 9 } }, 'promote');
    story.change({ 'b/': undefined }).toString();
    story.last({ outcome: 'unknown' });
    const given = reader(
      [
        [2, { a: { n: 1, m: 1 }, b: { n: 1 } }],
        [3, { a: { k: 2, n: 1 }, b: { n: 1 } }],
        [4, { a: { n: 9, k: 2 }, b: { n: 1 } }],
        [5, { a: { n: 9, k: 2 }, b: { n: 1 } }],
        [6, { a: { n: 9, k: 2 }, b: undefined }],
      ],
      {
        looks: [{ atMs: 620, revision: 5, stalenessMs: 30 }],
        syncs: [{ calledAtMs: 550, revision: 5 }],
      },
    );
    expect(check(story, { readers: [given] })()).toEqual({
      ...{ given: 5, taken: 1, changes: 5, untold: 1, promotions: 1, aborts: 0 },
      ...{ promotedToAll: 0, reviewed: 0, reviewedTwice: 0 },
    });
  });

  it('counts what was given to all before it was promoted', () => {
    const story = new ConfigStory();
    story.rollout('a', { n: 9 }, { percent: 99 });
    story.rollout('a', { n: 9 }, { percent: 100 });
    story.end('a', { 'a/': { n: 9 } }, 'promote');
    story.rollout('a', { n: 8 }, { percent: 99 });
    story.end('a', { 'a/': { n: 8 } }, 'promote');
    expect(check(story)()).toMatchObject({ promotions: 2, promotedToAll: 1 });
  });

  it('CONFIG-1 half of a change, or a layer of others', () => {
    const story = told();
    story.change({ 'a/': { n: 2 }, 'b/': { n: 2 } });
    const half = reader([[5, { a: { n: 9, k: 2 }, b: { n: 1 } }]]);
    expect(brokenBy(check(story, { readers: [half] }))).toBe('CONFIG-1');
    const other = reader([[3, { a: { n: 1, k: 2 } }]], { scope: 'us' });
    expect(brokenBy(check(story, { readers: [other] }))).toBe('CONFIG-1');
  });

  it('CONFIG-2 an older revision after a newer', () => {
    const back = reader([
      [4, { b: { n: 1 } }],
      [3, { b: { n: 1 } }],
    ]);
    expect(brokenBy(check(told(), { readers: [back] }))).toBe('CONFIG-2');
  });

  it('CONFIG-3 given, or written, what the schema refuses', () => {
    const story = told();
    story.story.step({ [keys.layer('b', '')]: { value: '{"n":"bad"}' }, [keys.stamp]: { value: '' } });
    const foreign = new Set([5]);
    expect(brokenBy(check(story, { foreign }))).toBe('nothing');
    const given = reader([[5, { b: { n: 'bad' } }]]);
    expect(brokenBy(check(story, { foreign, readers: [given] }))).toBe('CONFIG-3');
    const written = told();
    written.change({ 'a/us': { n: 'bad' } });
    expect(brokenBy(check(written))).toBe('CONFIG-3');
  });

  it('CONFIG-4 taken by another, not by one who is named, or lost as it grows', () => {
    const took = reader([[4, { a: { n: 9, k: 2 } }]], { instance: { id: 'j' } });
    expect(brokenBy(check(told(), { readers: [took] }))).toBe('CONFIG-4');
    const missed = reader([[4, { a: { n: 1, k: 2 } }]]);
    expect(brokenBy(check(told(), { readers: [missed] }))).toBe('CONFIG-4');
    const story = new ConfigStory();
    story.rollout('a', { n: 9 }, { percent: 50 });
    story.rollout('a', { n: 9 }, { percent: 60 });
    expect(brokenBy(check(story))).toBe('nothing');
    story.rollout('a', { n: 8 }, { percent: 70 });
    expect(brokenBy(check(story))).toBe('CONFIG-4');
  });

  it('CONFIG-5 promoted something else, over a change, unseen, or left standing', () => {
    const other = told();
    other.end('a', { 'a/': { n: 8 } }, 'promote');
    expect(brokenBy(check(other))).toBe('CONFIG-5');
    const over = told();
    over.change({ 'a/': { n: 7 } });
    over.end('a', { 'a/': { n: 9 } }, 'promote');
    over.last({ seen: 4 });
    expect(brokenBy(check(over))).toBe('CONFIG-5');
    const unseen = told();
    unseen.end('a', { 'a/': { n: 9 } }, 'promote');
    expect(brokenBy(check(unseen.last({ seen: 3 }) && unseen))).toBe('CONFIG-5');
    const changes = told();
    changes.end('a', { 'a/': { n: 9 } }, 'abort');
    expect(brokenBy(check(changes))).toBe('CONFIG-5');
  });

  it('CONFIG-6 asked for by nobody, twice, told otherwise, or made from something else', () => {
    const story = told();
    expect(brokenBy(check(story, { calls: story.calls.slice(1) }))).toBe('CONFIG-6');
    expect(brokenBy(check(told().last({ outcome: 'not-applied' })))).toBe('CONFIG-6');
    expect(brokenBy(check(told().last({ revision: 3 })))).toBe('CONFIG-6');
    expect(brokenBy(check(told().last({ endedAtMs: 399 })))).toBe('CONFIG-6');
    const expected = [{ document: 'a', scope: 'eu', revision: 2 }];
    expect(brokenBy(check(told().last({ expected })))).toBe('CONFIG-6');
    const layers = [{ document: 'a', scope: '', value: { n: 3 } }];
    expect(brokenBy(check(told().last({ layers })))).toBe('CONFIG-6');
    const twice = told();
    twice.change({ 'b/': { n: 2 } }, { id: 'id 2' });
    expect(brokenBy(check(twice))).toBe('CONFIG-6');
    // A growth that is answered by the beginning of its rollout.
    const reused = told();
    const begun = reused.calls.at(-1) as ConfigCall;
    const refused = { ...begun, do: 'grow', outcome: 'not-applied' } as const;
    expect(brokenBy(check(reused, { calls: [...reused.calls, refused] }))).toBe('nothing');
    expect(brokenBy(check(reused, { calls: [...reused.calls, { ...begun, do: 'grow' }] }))).toBe('CONFIG-6');
    const again = told();
    again.change({ 'b/': { n: 2 } }, { proposal: { ...by, id: 'p', approvals: [] } });
    expect(brokenBy(check(again))).toBe('nothing');
    again.change({ 'b/': { n: 3 } }, { proposal: { ...by, id: 'p', approvals: [] } });
    expect(brokenBy(check(again))).toBe('CONFIG-6');
  });

  it('CONFIG-7 proposed by nobody, approved by its author, another than was proposed, or rejected', () => {
    const reviewed = (
      votes: Readonly<Record<string, 'approve' | 'reject'>>,
      n = 2,
      approvals = 1,
      spelled = (key: string) => key,
    ) => {
      const story = new ConfigStory();
      story.story.step({ [keys.policy('a')]: { value: encodePolicy({ approvals, keep: 100 }) } });
      const layers = [{ document: 'a', scope: '', content: bytesOf(JSON.stringify({ n })), base: 0 }];
      const revision = story.story.put(
        keys.proposal('ada', 'p'),
        encodeProposal({ atMs: 1, reason: '', layers }),
      );
      for (const [author, verdict] of Object.entries(votes)) {
        const vote = { atMs: 1, reason: '', verdict, revision };
        const key = keys.vote(author, { author: 'ada', id: 'p' });
        for (const one of new Set([key, spelled(key)])) story.story.put(one, encodeVote(vote));
      }
      story.change({ 'a/': { n: 2 } }, { proposal: { ...by, id: 'p', approvals: [] } });
      return story;
    };
    expect(check(reviewed({ bob: 'approve' }))()).toMatchObject({ reviewed: 1, reviewedTwice: 0 });
    const twice = reviewed({ bob: 'approve', eve: 'approve' }, 2, 2);
    expect(check(twice)()).toMatchObject({ reviewed: 1, reviewedTwice: 1 });
    const spelledTwice = reviewed({ bob: 'approve' }, 2, 2, (key) => key.replace(/p$/, '%70'));
    for (const wrong of [
      ...[reviewed({}), reviewed({ ada: 'approve' }), reviewed({ bob: 'approve' }, 3)],
      reviewed({ bob: 'approve', eve: 'reject' }),
      reviewed({ ada: 'approve', bob: 'approve' }, 2, 2),
      // One voter, by a key of his and by one that is spelled in another way.
      spelledTwice,
    ]) {
      expect(brokenBy(check(wrong))).toBe('CONFIG-7');
    }
    const unproposed = new ConfigStory();
    unproposed.story.step({ [keys.policy('a')]: { value: encodePolicy({ approvals: 1, keep: 100 }) } });
    unproposed.change({ 'a/': { n: 2 } });
    expect(brokenBy(check(unproposed))).toBe('CONFIG-7');
  });

  it('CONFIG-8 not in the history, in it otherwise, out of order, gone, or too much of it', () => {
    const unsaid = told();
    unsaid.story.step({ [keys.layer('b', '')]: { value: '{}' }, [keys.stamp]: { value: '' } });
    expect(brokenBy(check(unsaid))).toBe('CONFIG-8');
    const otherwise = told();
    otherwise.change(
      { 'b/': { n: 3 } },
      { layers: [{ scope: '', before: bytesOf('{"n":1}'), after: bytesOf('{"n":3}') }] },
    );
    expect(brokenBy(check(otherwise))).toBe('nothing');
    const wrong = told();
    wrong.change({ 'b/': { n: 3 } }, { layers: [{ scope: '', before: undefined, after: bytesOf('{}') }] });
    expect(brokenBy(check(wrong))).toBe('CONFIG-8');
    const skipped = told();
    skipped.change({ 'b/': { n: 3 } }, { number: 7 });
    expect(brokenBy(check(skipped))).toBe('CONFIG-8');
    const gone = told();
    gone.story.remove(keys.history('a', 2));
    expect(brokenBy(check(gone))).toBe('CONFIG-8');
    const tooMuch = told();
    tooMuch.story.step({ [keys.policy('a')]: { value: encodePolicy({ approvals: 0, keep: 2 }) } });
    expect(brokenBy(check(tooMuch))).toBe('CONFIG-8');
  });

  it('CONFIG-9 older than it tells, than its sync, or changed without the stamp', () => {
    const stale = reader([], { looks: [{ atMs: 420, revision: 3, stalenessMs: 10 }] });
    expect(brokenBy(check(told(), { readers: [stale] }))).toBe('CONFIG-9');
    expect(brokenBy(check(told(), { readers: [stale], clockRateError: 0.9 }))).toBe('nothing');
    const sync = reader([], { syncs: [{ calledAtMs: 402, revision: 3 }] });
    expect(brokenBy(check(told(), { readers: [sync] }))).toBe('CONFIG-9');
    const unstamped = told();
    unstamped.story.put(keys.layer('b', 'eu'), '{}');
    expect(brokenBy(check(unstamped))).toBe('CONFIG-9');
  });
});
