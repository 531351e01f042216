/**
 * What a handler tells of its progress: `IF create(i/X) = c, version(g/X) = k, create(anchor) = a THEN put P/X on the session's
 * lease`. One write is under way at a time; of what is told meanwhile, the latest is written next.
 *
 * `P/X` goes with whatever ends the job or takes it back, and at the latest with the session. A write that arrives later than
 * that is refused by its guards: the item, its generation or the session has passed.
 */
import { QuorateError } from '../../errors.js';
import type { Session } from '../../session/index.js';
import { bytesOf, put, type Store, txnOf } from '../../store/index.js';
import type { QueueKeys } from '../keys.js';
import type { HeldJob } from './held-job.js';

/** It is to be told often, and everybody who waits for the job reads it. */
const largestProgressBytes = 16_384;
/** One for all, as most jobs tell of none. */
const nothing = new Uint8Array();

export interface ProgressReportParts {
  readonly store: Store;
  readonly keys: QueueKeys;
  readonly session: Session;
  readonly held: HeldJob;
}

export class ProgressReport {
  readonly #parts: ProgressReportParts;
  #latest: Uint8Array = nothing;
  #underWay: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(parts: ProgressReportParts) {
    this.#parts = parts;
  }

  /** Resolves when this, or what was told after it, is written. */
  tell(progress: unknown): Promise<void> {
    this.#latest = encodeProgress(progress);
    this.#next ??= this.#writeAfter(this.#underWay);
    this.#underWay = this.#next;
    return this.#next;
  }

  async #writeAfter(before: Promise<void> | undefined): Promise<void> {
    await before?.catch(() => {});
    this.#next = undefined;
    await this.#write(this.#latest);
  }

  async #write(value: Uint8Array): Promise<void> {
    const { store, keys, session, held } = this.#parts;
    if (held.custody !== 'held') throw held.fenced();
    session.assertLive();
    held.hasProgress = true;
    const { succeeded } = await store.txn(
      txnOf({
        compare: [...held.guards, session.guard()],
        success: [put(keys.progressOf(held.assigned.id), value, { lease: session.leaseId })],
      }),
    );
    if (!succeeded) throw held.fenced();
  }
}

function encodeProgress(progress: unknown): Uint8Array {
  let text: string | undefined;
  try {
    text = JSON.stringify(progress);
  } catch (cause) {
    throw new QuorateError('codec', 'this progress has no JSON form', { cause });
  }
  if (text === undefined) throw new QuorateError('codec', `a ${typeof progress} has no JSON form`);
  const bytes = bytesOf(text);
  if (bytes.length <= largestProgressBytes) return bytes;
  throw new QuorateError('request-too-large', `progress of ${bytes.length} bytes`, {
    details: { bytes: bytes.length, limit: largestProgressBytes },
  });
}
