import type { Compare, Op } from '../../store/index.js';
import type { HistoryRecord } from '../records/history.js';
import type { ConfigPolicy } from '../records/policy.js';
import type { RolloutRecord } from '../records/rollout.js';
import type { Scope } from '../scope.js';

/** What is to be done to one document. */
export interface DocumentPlan {
  readonly name: string;
  /** Layers to put, or, where the content is undefined, to delete. */
  readonly layers: ReadonlyMap<Scope, Uint8Array | undefined>;
  /** The rollout that is to stand afterwards; null: none. Absent: as it is. */
  readonly rollout?: RolloutRecord | null;
  readonly policy?: ConfigPolicy;
  /** Some of what the history says of it; the rest is the same for all documents. */
  readonly told: Pick<HistoryRecord, 'rollout' | 'rolledBackTo'>;
}

/** What is to be done to all documents of one change, made of what was read. */
export interface ChangePlan {
  readonly action: HistoryRecord['action'];
  readonly documents: readonly DocumentPlan[];
  readonly proposal?: HistoryRecord['proposal'];
  /** What must hold beside that the documents are as they were read, and what else is written. */
  readonly compare?: readonly Compare[];
  readonly also?: readonly Op[];
  /** What is written too, as far as there is room in the transaction. */
  readonly ifRoom?: readonly Op[];
  /** Nobody is given anything new: the schemas need not be asked. */
  readonly isUnchecked?: boolean;
}
