/** What handlers saw of their jobs, and whether they were told the truth of what became of them. */
import { broken } from '../../src/checkers/sentences.js';
import type { QueueKeys } from '../../src/queues/keys.js';
import { type HistoryEntry, textOf } from '../../src/store/index.js';

export interface HandledJob {
  readonly process: string;
  readonly id: string;
  readonly payload: string;
  readonly generation: number;
  /** `completed`: acknowledged in `revision`. `fenced`: it was told that nothing of it was or will be applied. */
  outcome: 'running' | 'completed' | 'fenced' | 'unknown' | 'failed';
  revision?: number;
}

interface Acknowledgement {
  readonly revision: number;
  /** Of who acknowledged it. */
  readonly generation: number;
}

/**
 * Throws
 * - QUEUE-6 if one generation of a job was handled twice: it has one holder, who is given it once;
 * - QUEUE-5 if a handler was told that it had acknowledged its job, or not, and it was otherwise.
 */
export function checkHandledJobs(
  jobs: readonly HandledJob[],
  history: readonly HistoryEntry[],
  keys: QueueKeys,
  effects: string,
): void {
  const ends = acknowledgements(history, keys, effects);
  const handled = new Map<string, HandledJob>();
  for (const job of jobs) {
    const { id, generation, process, payload, outcome, revision } = job;
    const grant = `${id}@${generation}`;
    const twin = handled.get(grant);
    if (twin !== undefined) {
      broken('QUEUE-6', `${twin.process} and ${process} both handled generation ${generation} of ${id}`);
    }
    handled.set(grant, job);
    const end = ends.get(payload);
    const isMine = end?.generation === generation;
    const told = `${process} was told that ${id} (${payload}) in generation ${generation} is ${outcome}`;
    const truth = end ? `ended at ${end.revision} by generation ${end.generation}` : 'it has not ended';
    if (outcome === 'completed' && !(isMine && end?.revision === revision)) {
      broken('QUEUE-5', `${told} at revision ${revision}, and ${truth}`);
    }
    if (outcome === 'fenced' && isMine) broken('QUEUE-5', `${told}, and ${truth}`);
  }
}

function acknowledgements(
  history: readonly HistoryEntry[],
  keys: QueueKeys,
  effects: string,
): ReadonlyMap<string, Acknowledgement> {
  const ends = new Map<string, Acknowledgement>();
  for (const { revision, events } of history) {
    if (!events.some(({ type, kv }) => type === 'delete' && kv.key.startsWith(keys.items.key))) continue;
    for (const { type, kv } of events) {
      if (type !== 'put' || !kv.key.startsWith(effects)) continue;
      ends.set(kv.key.slice(effects.length), { revision, generation: Number(textOf(kv.value)) });
    }
  }
  return ends;
}
