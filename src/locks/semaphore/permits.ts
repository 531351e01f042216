import { isPermanent, QuorateError } from '../../errors.js';
import { fencingToken, Line, type Place } from '../../line/index.js';
import { Backoff, sleep, type WaitOptions } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import type { Key } from '../../store/index.js';
import { CallersOfWeight } from './callers-of-weight.js';
import { StoredLimit } from './limit.js';
import { PermitHold } from './semaphore-hold.js';
import type { CheckedOptions } from './semaphore-options.js';
import { type PermitRequest, type Taken, takePlaces } from './take-places.js';
import type { WeightAdmission } from './weight-admission.js';
import { limitKey } from './weights.js';

/** Takes places in the line for the callers of one `Semaphore` object, and passes on among them what the places hold. */
export class Permits {
  readonly limit: StoredLimit;
  readonly #client: Client;
  readonly #line: Line;
  readonly #options: CheckedOptions;
  readonly #all = new Set<CallersOfWeight>();
  /** Those without an owner. */
  readonly #byWeight = new Map<number, CallersOfWeight>();
  /** Those for whom places are to be taken, in turns. */
  readonly #lacking = new Set<CallersOfWeight>();
  /** Places that wait in the line or are being taken. */
  #standing = 0;
  #taking: Promise<void> | undefined;

  constructor(client: Client, prefix: Key, options: CheckedOptions) {
    this.#client = client;
    this.#options = options;
    this.#line = new Line(client, prefix, { suffix: '', of: 'everything', values: true });
    this.limit = new StoredLimit(client, `${prefix}${limitKey}`, options.limit);
  }

  /** All keys of the semaphore. */
  get range() {
    return this.#line.range;
  }

  async acquire(request: PermitRequest, wait: WaitOptions, doing: string): Promise<PermitHold> {
    const group = this.#groupFor(request);
    const turn = group.callers.wait(wait, doing);
    group.calls += 1;
    this.#want(group);
    try {
      const got = await turn;
      if (got instanceof QuorateError) throw got;
      return got;
    } finally {
      this.#trim(group);
    }
  }

  /** Undefined if it would have to wait, or if `isWanted` turned false. */
  async try(request: PermitRequest, isWanted: () => boolean, doing: string): Promise<PermitHold | undefined> {
    for (const { waiting } of this.#all) if (waiting.size > 0) return undefined;
    const session = await this.#client.session();
    if (!isWanted()) return undefined;
    const [taken] = await takePlaces(this.#takeFrom, session, [request], { follow: false });
    if (taken === undefined) return undefined;
    const { place, admission } = taken;
    // After a pause the clock is asked first, and what stood still may go on.
    if (!place.isLive) await place.settled();
    if (place.state.status === 'admitted' && place.isLive && isWanted()) {
      const group = this.#groupFor(request);
      const turn = group.callers.wait({}, doing, true);
      group.calls += 1;
      void this.#serve(group, place, place.state.revision);
      const got = await turn;
      return got instanceof QuorateError ? undefined : got;
    }
    this.#learnLimit(admission);
    await this.#line.leave(place);
    if (admission.isTooHeavy) throw overLimit(admission);
    return undefined;
  }

  get #takeFrom() {
    return { client: this.#client, line: this.#line, limit: this.limit };
  }

  #groupFor({ weight, owner }: PermitRequest): CallersOfWeight {
    const known = owner === undefined ? this.#byWeight.get(weight) : undefined;
    if (known !== undefined) return known;
    const group = new CallersOfWeight(this.#client, weight, owner);
    this.#all.add(group);
    if (owner === undefined) this.#byWeight.set(weight, group);
    return group;
  }

  /** Takes places for callers that lack them. */
  #want(group: CallersOfWeight): void {
    if (group.lacking > 0) this.#lacking.add(group);
    this.#take();
  }

  /** Gives up places that nobody wants any more. */
  #trim(group: CallersOfWeight): void {
    for (let place = group.surplus(); place !== undefined; place = group.surplus()) {
      this.#withdraw(group, place);
    }
    if (!group.isIdle) return;
    this.#all.delete(group);
    this.#lacking.delete(group);
    if (this.#byWeight.get(group.weight) === group) this.#byWeight.delete(group.weight);
  }

  #withdraw(group: CallersOfWeight, place: Place): void {
    group.waiting.delete(place);
    void this.#line.leave(place);
  }

  /** For all who lack a place, or else for many at a time: when half of those that may wait do not. */
  get #hasRoom(): boolean {
    const { waitingPlaces } = this.#options;
    if (2 * this.#standing <= waitingPlaces) return true;
    let left = waitingPlaces - this.#standing;
    for (const { lacking } of this.#lacking) {
      left -= Math.max(0, lacking);
      if (left < 0) return false;
    }
    return left >= 0;
  }

  #take(): void {
    if (this.#lacking.size === 0 || !this.#hasRoom) return;
    this.#taking ??= this.#takeAll()
      .catch((error: unknown) => this.#refuse(error))
      .then(() => {
        this.#taking = undefined;
        this.#take();
      });
  }

  async #takeAll(): Promise<void> {
    const { runtime } = this.#client;
    const backoff = new Backoff(runtime, { firstMs: 10, longestMs: 1_000 });
    while (this.#lacking.size > 0 && this.#hasRoom) {
      try {
        const session = await this.#client.session();
        const groups = this.#nextGroups();
        if (groups.length > 0) await this.#takeFor(groups, session);
        backoff.reset();
      } catch (error) {
        if (isPermanent(error)) throw error;
        await sleep(runtime, backoff.nextMs());
      }
    }
  }

  /** For whom the next places are, one for one: each gets one in turn. */
  #nextGroups(): readonly CallersOfWeight[] {
    const groups: CallersOfWeight[] = [];
    for (const group of this.#lacking) {
      if (group.lacking > 0 && this.#standing >= this.#options.waitingPlaces) break;
      this.#lacking.delete(group);
      if (group.lacking <= 0) continue;
      group.taking += 1;
      this.#standing += 1;
      groups.push(group);
      if (group.lacking > 0) this.#lacking.add(group);
    }
    return groups;
  }

  async #takeFor(groups: readonly CallersOfWeight[], session: Parameters<typeof takePlaces>[1]) {
    const calls = new Map(groups.map((group) => [group, group.calls]));
    let places: readonly Taken[] = [];
    try {
      places = await takePlaces(this.#takeFrom, session, groups);
    } finally {
      for (const group of groups) group.taking -= 1;
      for (const [index, group] of groups.entries()) {
        const taken = places[index];
        if (taken !== undefined) this.#stand(group, taken, calls.get(group) ?? 0);
        else {
          this.#standing -= 1;
          this.#want(group);
        }
        this.#trim(group);
      }
    }
  }

  /** The place waits, until it is admitted or gone. */
  #stand(group: CallersOfWeight, { place, admission }: Taken, calls: number): void {
    group.waiting.add(place);
    place.turn.then(
      (proof) => {
        this.#standing -= 1;
        if (group.waiting.delete(place)) void this.#serve(group, place, proof);
        this.#take();
      },
      () => {
        this.#standing -= 1;
        group.waiting.delete(place);
        this.#want(group);
      },
    );
    if (place.state.status !== 'waiting') return;
    this.#learnLimit(admission);
    if (admission.isTooHeavy) {
      this.#withdraw(group, place);
      group.refuse(overLimit(admission), 1, calls);
      return;
    }
    admission.onLimit = () => {
      if (place.state.status !== 'waiting' || !group.waiting.has(place)) return;
      this.#learnLimit(admission);
      // Those who have come since may have done so after a raise that is not known here yet: the next join tells.
      if (admission.isTooHeavy) this.#withdraw(group, place);
    };
  }

  #learnLimit({ known: { limit, writtenAt } }: WeightAdmission): void {
    if (limit === undefined) this.limit.restore(writtenAt);
  }

  /** Grants what the place holds to one caller after the other, for one slice, and gives it up. */
  async #serve(group: CallersOfWeight, place: Place, proof: number): Promise<void> {
    const { sliceGrants, sliceMs, watchHoldAfterMs } = this.#options;
    const { runtime } = this.#client;
    const endMs = runtime.monotonicMs() + sliceMs;
    const watch = () => this.#line.guardAgainstDeletion(place);
    const watched = runtime.setTimer(watchHoldAfterMs, watch, { background: true });
    group.serving += 1;
    let granted: PermitHold | undefined;
    for (let grant = 0; grant < sliceGrants; grant += 1) {
      // After a pause the clock is asked first, and what stood still may go on.
      if (!place.isLive) await place.settled();
      if (place.state.status !== 'admitted' || !place.isLive) break;
      const token = fencingToken(proof, grant);
      const parts = { client: this.#client, place, token, weight: group.weight };
      const hold = group.callers.serve(() => new PermitHold(parts));
      if (hold === undefined) break;
      granted?.passedOn();
      granted = hold;
      await hold.released;
      const isDefinite = await hold.settled();
      if (!isDefinite || runtime.monotonicMs() >= endMs) break;
    }
    watched.cancel();
    await this.#line.leave(place);
    granted?.passedOn();
    group.serving -= 1;
    this.#want(group);
    this.#trim(group);
  }

  #refuse(error: unknown): void {
    this.#lacking.clear();
    for (const group of [...this.#all]) group.callers.refuse(error);
  }
}

function overLimit({ weight, known: { limit, asOf } }: WeightAdmission): QuorateError {
  return new QuorateError('over-limit', `asked for ${weight} permits of a semaphore that has ${limit}`, {
    details: { weight, limit, revision: asOf },
  });
}
