import { QuorateError } from '../../src/errors.js';
import type { Key, Op, Store, TxnRequest } from '../../src/store/index.js';

/** A read of all places, by one of those who wait. */
export interface Look {
  /** Of the client that looked. */
  readonly label: string;
  readonly revision: number;
  readonly sentAtMs: number;
  readonly answeredAtMs: number;
}

/** What befalls requests on purpose, beside all faults. */
export interface Wire {
  /** So many of the next looks fail. */
  looksToFail: number;
  /** The replies to so many of the next transactions that delete a place are lost. */
  repliesToLose: number;
  /** Done before a look is answered. */
  beforeAnswer: (() => Promise<void>) | undefined;
}

export interface WithLooks {
  readonly label: string;
  /** The prefix of the places of all mutexes. */
  readonly places: Key;
  readonly nowMs: () => number;
  readonly wire: Wire;
  readonly onLook: (look: Look) => void;
  /** The reply to this request is lost on purpose. */
  readonly onLost: (request: TxnRequest) => void;
}

/** A process's store, a plain object, of whose looks at the places is told what they saw and when. */
export function withLooks(store: Store, options: WithLooks): Store {
  const { label, places, nowMs, wire, onLook, onLost } = options;
  return {
    ...store,
    txn: async (request, call) => {
      const looks = isLook(request, places);
      if (looks && wire.looksToFail > 0) {
        wire.looksToFail -= 1;
        throw new QuorateError('unavailable', 'this look is not to be answered');
      }
      const sentAtMs = nowMs();
      const reply = await store.txn(request, call);
      if (looks) {
        await wire.beforeAnswer?.();
        onLook({ label, revision: reply.revision, sentAtMs, answeredAtMs: nowMs() });
      } else if (wire.repliesToLose > 0 && request.success.some((op) => deletesPlace(op, places))) {
        wire.repliesToLose -= 1;
        onLost(request);
        throw new QuorateError('unavailable', 'this reply is to be lost', { outcome: 'unknown' });
      }
      return reply;
    },
  };
}

function isLook({ success }: TxnRequest, places: Key): boolean {
  return success.length === 2 && success[0]?.type === 'range' && success[0].key === places;
}

function deletesPlace(op: Op, places: Key): boolean {
  if (op.type === 'txn') return op.success.some((inner) => deletesPlace(inner, places));
  return op.type === 'delete' && op.key.startsWith(places);
}
