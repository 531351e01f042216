import { QuorateError } from '../../errors.js';
import { fencingToken, type Place } from '../../line/index.js';
import type { CallOptions, Compare, TxnReply, TxnRequest } from '../../store/index.js';
import { PlaceHold } from '../hold.js';
import type { ReadWriteHold } from './holds.js';
import type { Kit } from './kit.js';

/** One grant of a place to one caller: what readers' and writers' holds have in common. */
export abstract class Granted implements ReadWriteHold {
  protected readonly grant: PlaceHold;
  protected readonly place: Place;

  /** `number` counts the grants of one proof. */
  constructor({ client, line }: Kit, place: Place, number: number) {
    this.place = place;
    this.grant = new PlaceHold({ client, line, place, token: fencingToken(proofOf(place), number) });
  }

  get token(): number {
    return this.grant.token;
  }

  get signal(): AbortSignal {
    return this.grant.signal;
  }

  get isHeld(): boolean {
    return this.grant.isHeld;
  }

  /** Resolves when the caller is done with it, or has lost it. */
  get released(): Promise<void> {
    return this.grant.released;
  }

  guards(): readonly Compare[] {
    return this.place.guards();
  }

  txn(request: Partial<TxnRequest>, options: CallOptions = {}): Promise<TxnReply> {
    return this.grant.txn(request, options);
  }

  release(): Promise<void> {
    return this.grant.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** Rejects with what ended the hold, if it was lost. */
  confirm(): Promise<void> {
    return this.grant.confirm();
  }

  /** Throws unless it is held: to be asked in the same breath as what that allows is done. */
  assertHeld(): void {
    if (!this.grant.isHeld) throw new QuorateError('hold-lost', 'the hold was released');
  }

  /** Waits for the writes made under this hold. False if one of them may still be applied. */
  settled(): Promise<boolean> {
    return this.grant.settled();
  }

  /** The lock is free of it: who releases it may go on. */
  passedOn(): void {
    this.grant.passedOn();
  }
}

/** The revision that proves the turn of a place whose turn has come. */
export function proofOf({ state, asOf }: Place): number {
  return state.status === 'admitted' ? state.revision : asOf;
}

/** Has a place watched for its deletion by somebody else, once it is held for longer than a moment. Answers how to stop that. */
export function watchLater({ client, line, settings }: Kit, place: Place): () => void {
  const look = () => line.guardAgainstDeletion(place);
  const timer = client.runtime.setTimer(settings.watchHoldAfterMs, look, { background: true });
  return () => timer.cancel();
}
