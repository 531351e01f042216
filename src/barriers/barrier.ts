/**
 * A gate: while it is closed, whoever comes to it waits; when it is opened, all are released together.
 *
 * **Keys.** `{ns}/barrier/{name}/gate`: there while the gate is closed. Says who closed it, and by which call.
 *
 * **Transactions**, all through the exactly-once store:
 * - close: `IF create(gate) = 0, anchor stands THEN put gate (leased) ELSE get gate`; persistently, without the anchor and the lease.
 * - open, by who closed it: `IF mod(gate) = m THEN delete gate`. By anybody else: a read, which tells m, and then the same; so that
 *   whoever opens it opens what stood when he asked, and never a gate that was closed anew since.
 *
 * **Who waits for what.** A wait begins with a read, sent after the call: a watch that stands open may lag behind a gate that was
 * closed before the call. Gone: it passes. There, created at revision c: it waits until a state shows the gate gone, or created
 * after c, which proves that it was open in between. So an opening releases everybody whose read was before it, even if the gate is
 * closed again at once and the watch was cut meanwhile. One watch serves all waits of a process: see `watch/fact-follower.ts`.
 *
 * **When things go wrong.** Reply lost: settled by the exactly-once store; where history was compacted, a read shows whether the
 * gate is that of this call. Session of the holder lost: the lease deletes the gate, so it opens; a persistent one stands until
 * somebody opens it. A process that waits needs no session, and leaves nothing behind when it dies. Watch cut, silent or
 * compacted: nothing is released by that; the key is read again, at the latest after about a TTL. Watch or read that can never
 * go on: the wait rejects.
 *
 * **Wrong:** a closed or failed watch as the release (etcd's recipe returns from its wait without an error, and its gate, which is on no
 * lease, outlives a holder that died); what a standing watch knows as the state at the call; an unguarded delete, which opens what
 * another has closed anew; waiting only for the key to be gone, which misses an opening that nobody was told of.
 */
import { isQuorateError, QuorateError } from '../errors.js';
import { checkWaitOptions, TimeLeft, type WaitOptions } from '../runtime/index.js';
import { orGiveUp } from '../runtime/or-give-up.js';
import { type Client, checkClient, type Session } from '../session/index.js';
import {
  compare,
  get,
  type Key,
  type KeyValue,
  type Op,
  put,
  remove,
  type TxnReply,
} from '../store/index.js';
import { FactFollower } from '../watch/index.js';
import { type GateHold, LeasedGate } from './gate-hold.js';
import { decodeGate, encodeGate } from './gate-record.js';

/** A gate as it was at one revision. */
export interface BarrierView {
  readonly revision: number;
  /** Absent: it is open. */
  readonly closed?: {
    /** The label of the client that closed it; empty if the key says nothing of the kind. */
    readonly by: string;
    /** It stands until somebody opens it, whatever becomes of who closed it. */
    readonly isPersistent: boolean;
    /** Revision that closed it. */
    readonly since: number;
  };
}

/**
 * A gate: while it is closed, whoever comes to it waits; when it is opened, all go on.
 *
 * - Guaranteed: a wait returns only after the gate was open at some moment of the wait; nobody who waits misses an opening, even if the gate
 *   is closed again at once. No failed watch, compaction or lost session is taken for one.
 * - Not guaranteed: that all go on at the same instant; that the gate is still open then.
 * - Session loss: the gate of a process that dies, or loses its session, opens, unless it was closed to persist. A wait needs no session.
 * - Errors: `invalid-argument`, at once; `gate-closed` to close what another has closed; of a wait `aborted`, `timeout`, `closed`.
 * - Cost: one request to close, and to open by the hold; to open by anybody a read, and one if it was closed. A wait one read, shared by all who
 *   call at a time, and if it is closed one more; all who wait in a process share a watch, and an opening is one event of it.
 */
export class Barrier {
  readonly name: string;
  readonly #client: Client;
  readonly #key: Key;
  readonly #gate: FactFollower;

  /** The barrier of this name in the client's namespace; open, unless somebody has closed it. Making one sends nothing. */
  constructor(client: Client, name: string) {
    checkClient(client);
    this.#key = `${client.keys.prefix('barrier', name)}gate`;
    this.name = name;
    this.#client = client;
    const { hub, store, runtime } = client;
    this.#gate = new FactFollower({ hub, store, runtime, key: this.#key, recheckMs: client.ttlMs });
  }

  /**
   * Closes the gate, for as long as this client's session lives: a holder that dies opens it, after its TTL at the latest.
   *
   * Errors: `gate-closed` if it is closed already (`details.by` is the label of who did); `aborted` and `timeout` as asked for,
   * and then it is not closed by this call, or opened again at once; what `client.session()` rejects with; `no-space`,
   * `permission-denied`, `unauthenticated`. Cost: one request.
   */
  async close(options: WaitOptions = {}): Promise<GateHold> {
    const doing = `closing the barrier ${JSON.stringify(this.name)}`;
    checkWaitOptions(options, doing);
    const attempt = (givenUp: AbortSignal) => this.#closeLeased(givenUp);
    return orGiveUp(this.#client.runtime, attempt, (hold) => void hold.open(), options, doing);
  }

  /**
   * Closes the gate on purpose until somebody opens it, whatever becomes of this process. True if this call did, false if it
   * stood closed in that way already.
   *
   * Errors: `gate-closed` if somebody keeps it closed by a lease; the store's own, with their outcome: of `timeout` and
   * `aborted` it may be `unknown`, and then look with {@link inspect}. Cost: one request.
   */
  async closePersistently(options: WaitOptions = {}): Promise<boolean> {
    checkWaitOptions(options, `closing the barrier ${JSON.stringify(this.name)}`);
    const { store, label, runtime } = this.#client;
    const value = encodeGate({ label, call: runtime.newId() });
    const reply = await store.txn(
      {
        compare: [compare.create(this.#key, 'equal', 0)],
        success: [put(this.#key, value)],
        failure: [get(this.#key)],
      },
      options,
    );
    if (reply.succeeded) return true;
    const gate = onlyKey(reply);
    if (gate !== undefined && gate.lease !== '0') throw closedAlready(this.name, gate);
    return false;
  }

  /**
   * Opens the gate, whoever has closed it and however. Resolves once what stood at the call is gone; a gate that somebody closes
   * anew meanwhile stands. Errors: the store's own, with their outcome. Cost: a read, and one request if it was closed.
   */
  async open(options: WaitOptions = {}): Promise<void> {
    const doing = `opening the barrier ${JSON.stringify(this.name)}`;
    checkWaitOptions(options, doing);
    const { store, plainStore, runtime } = this.#client;
    const left = new TimeLeft(runtime, options, doing);
    const [gate] = (await store.range({ key: this.#key, keysOnly: true }, left.forRequest())).kvs;
    if (gate === undefined) return;
    const asSeen = compare.mod(this.#key, 'equal', gate.modRevision);
    const request = { compare: [asSeen], success: [remove(this.#key)], failure: [] };
    try {
      await store.txn(request, { ...left.forRequest(), repeatable: true });
    } catch (error) {
      // The puts by which a write is made exactly-once are refused; this one may be repeated.
      if (!isQuorateError(error, 'no-space')) throw error;
      await plainStore.txn(request, left.forRequest());
    }
  }

  /**
   * Waits until the gate is open; returns at once if it is.
   *
   * - Guaranteed: it was open at a revision since the call. And an opening releases everybody who waits, even if the gate is closed
   *   again at once; so a waiter that returns may find it closed again. Call again to wait for the next opening.
   * - Who comes when it is open passes; who comes after it was closed again waits for the next opening.
   * - Released together, in no order. A barrier excludes nobody: for that there are locks.
   * - Errors: `aborted` and `timeout` as asked for; `closed` if the client is; `permission-denied`, `unauthenticated`. While the
   *   store is away it waits on. Needs no session, and leaves no key behind, whenever it is given up.
   * - Cost: one read, shared by all who call at a time. If the gate is closed, one watch for all who wait in the process and one more
   *   read as that opens; the release is one event, and no request. One read about once a TTL.
   */
  async wait(options: WaitOptions = {}): Promise<void> {
    const doing = `waiting at the barrier ${JSON.stringify(this.name)}`;
    checkWaitOptions(options, doing);
    await orGiveUp(
      this.#client.runtime,
      (givenUp) => this.#wait(givenUp),
      () => {},
      options,
      doing,
    );
  }

  /** Whether it is closed, and by whom, as the store has it. One read. */
  async inspect(options: WaitOptions = {}): Promise<BarrierView> {
    checkWaitOptions(options, `looking at the barrier ${JSON.stringify(this.name)}`);
    const { kvs, revision } = await this.#client.store.range({ key: this.#key }, options);
    const [gate] = kvs;
    if (gate === undefined) return { revision };
    const by = decodeGate(gate)?.label ?? '';
    return { revision, closed: { by, isPersistent: gate.lease === '0', since: gate.createRevision } };
  }

  async #wait(signal: AbortSignal): Promise<void> {
    const first = await this.#gate.read({ signal });
    if (first.status === 'absent') return;
    const { createRevision } = first.kv;
    await this.#gate.until(
      (state) => state.status === 'absent' || state.kv.createRevision > createRevision || undefined,
      { signal },
    );
  }

  async #closeLeased(givenUp: AbortSignal): Promise<GateHold> {
    const { label, runtime } = this.#client;
    for (;;) {
      const session = await this.#client.session({ signal: givenUp });
      const call = runtime.newId();
      const value = encodeGate({ label, call });
      const revision = await this.#putLeased(
        session,
        put(this.#key, value, { lease: session.leaseId }),
        call,
      );
      if (revision !== undefined) return new LeasedGate(this.#client, session, { key: this.#key, revision });
      givenUp.throwIfAborted();
      // If it has ended, the next one is asked for.
      await session.verify({ signal: givenUp }).catch(() => {});
    }
  }

  /** The revision that closed it; undefined if the session had ended. */
  async #putLeased(session: Session, closing: Op, call: string): Promise<number | undefined> {
    const { store } = this.#client;
    const { signal } = session;
    try {
      const reply = await store.txn(
        {
          compare: [compare.create(this.#key, 'equal', 0), session.guard()],
          success: [closing],
          failure: [get(this.#key)],
        },
        { signal, timeoutMs: Number.POSITIVE_INFINITY },
      );
      if (reply.succeeded) return reply.revision;
      const gate = onlyKey(reply);
      if (gate !== undefined) throw closedAlready(this.name, gate);
      return undefined;
    } catch (error) {
      if (signal.aborted) return undefined;
      if (!isQuorateError(error) || error.outcome !== 'unknown' || error.code === 'closed') throw error;
      // Settled, and nothing can tell how but the key itself.
      const state = await this.#gate.read({ signal });
      const isOwn = state.status === 'present' && decodeGate(state.kv)?.call === call;
      return isOwn ? state.kv.modRevision : undefined;
    }
  }
}

function onlyKey({ replies: [reply] }: TxnReply): KeyValue | undefined {
  return reply?.type === 'range' ? reply.kvs[0] : undefined;
}

function closedAlready(name: string, gate: KeyValue): QuorateError {
  const by = decodeGate(gate)?.label ?? '';
  return new QuorateError('gate-closed', `the barrier ${JSON.stringify(name)} is closed already, by ${by}`, {
    details: { by, since: gate.createRevision },
  });
}
