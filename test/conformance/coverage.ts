/** Counts what the generated traffic really was, so that a run can fail which did not try what it should. */

import type { WatchRequest } from '../../src/store/index.js';
import { featuresOfAnswer } from './answer-features.js';
import type { Answer } from './answers.js';
import { expectedFeatures } from './expected-features.js';
import type { Follower } from './follower.js';
import { featuresOfStep } from './step-features.js';
import type { Situation } from './step-source.js';
import type { Step } from './steps.js';

export class Coverage {
  readonly #features = new Map<string, number>();
  readonly #calls = new Map<string, number>();
  readonly #refusals = new Map<string, number>();
  #watchEvents = 0;

  /** How often each argument, and each effect of one, occurred. */
  get features(): ReadonlyMap<string, number> {
    return this.#features;
  }

  get calls(): ReadonlyMap<string, number> {
    return this.#calls;
  }

  /** By call and code. */
  get refusals(): ReadonlyMap<string, number> {
    return this.#refusals;
  }

  /** Events that watches saw on each of the servers. */
  get watchEvents(): number {
    return this.#watchEvents;
  }

  step(step: Step, before: Situation, answer: Answer): void {
    add(this.#calls, step.call);
    for (const feature of featuresOfStep(step, before)) add(this.#features, feature);
    for (const feature of featuresOfAnswer(step, answer)) add(this.#features, feature);
    if ('refused' in answer)
      add(this.#refusals, `${step.call}: ${answer.refused.replace(' (not-applied)', '')}`);
  }

  /** A watch, when it is closed. */
  watch(request: WatchRequest, { events, items }: Follower, acrossCompaction: boolean): void {
    this.#watchEvents += events.length;
    const reached: Readonly<Record<string, boolean>> = {
      'saw puts': events.some(({ type }) => type === 'put'),
      'saw deletes': events.some(({ type }) => type === 'delete'),
      'saw prevKv': events.some(({ prevKv }) => prevKv !== undefined),
      'prevKv was compacted away':
        request.prevKv === true &&
        events.some(({ type, kv, prevKv }) => type === 'put' && kv.version > 1 && prevKv === undefined),
      'several events of one revision': events.some(
        ({ kv }, index) => kv.modRevision === events[index + 1]?.kv.modRevision,
      ),
      'ended by compaction': items.some(({ type }) => type === 'compacted'),
      'lived across a compaction': acrossCompaction && !items.some(({ type }) => type === 'compacted'),
    };
    for (const [feature, holds] of Object.entries(reached))
      if (holds) add(this.#features, `watch: ${feature}`);
  }

  /** What should have occurred and did not. */
  missing(): readonly string[] {
    const reached = new Set([
      ...this.#features.keys(),
      ...[...this.#refusals.keys()].map((refusal) => `refused ${refusal}`),
    ]);
    return expectedFeatures.filter((feature) => !reached.has(feature));
  }
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
