/** The processes of a run, each with a client, a reader, an editor and callers. */
import type { ConfigCall } from '../../src/checkers/index.js';
import { type ConfigChangeOptions, ConfigEditor, type ConfigProposal } from '../../src/config/index.js';
import { ConfigKeys } from '../../src/config/keys.js';
import { decodeProposal, encodeProposal, encodeVote } from '../../src/config/records/review.js';
import { isQuorateError, type QuorateError } from '../../src/errors.js';
import { sleep } from '../../src/runtime/index.js';
import { bytesOf, compare, Keyspace, put, remove, type Store, txnOf } from '../../src/store/index.js';
import { namespace } from '../support/open-client.js';
import { paced, type Seat, Seats, type WaitOf } from '../support/seats.js';
import type { World } from '../support/world.js';
import type { Writable } from '../support/writable.js';
import { type Documents, documentNames, documentsOf } from './documents.js';
import { type Deed, deeds } from './editing.js';
import { type Reader, Reading } from './reading.js';
import type { Situation } from './situations.js';
import { type CallerPlan, type ConfigWorkload, type ProcessPlan, reviewed } from './workload.js';

export interface ConfigSeat extends Seat {
  readonly editor: ConfigEditor;
  readonly documents: Documents;
  readonly reader: Reader;
}

const name = 'c';
const ttlMs = 3_000;
/** Until it is mended hardly anything else can be done. */
const mostBreaks = 2;
/** What another program writes says so. */
export const foreignMark = 'foreign';
/** Refusals that belong to what is done here. */
const refusals: readonly string[] = ['conflict', 'review-required', 'invalid-argument', 'over-limit'];

export class Scene {
  readonly keys = new ConfigKeys(new Keyspace(namespace).prefix('config', name));
  readonly calls: Writable<ConfigCall>[] = [];
  readonly reading: Reading;
  readonly seats: Seats<CallerPlan, ConfigSeat>;
  readonly #world: World<ConfigWorkload>;
  readonly #administrator: Store;
  #ids = 0;
  #breaks = 0;
  #isMending = false;
  isMended = false;

  constructor(world: World<ConfigWorkload>) {
    this.#world = world;
    this.#administrator = world.simulation.connect();
    this.reading = new Reading({
      ...{ name, simulation: world.simulation, stamp: this.keys.stamp },
      reached: (situation) => this.reached(situation),
    });
    this.seats = new Seats({
      ...{ world, ttlMs },
      furnish: (seat) => this.#furnish(seat),
      round: (seat, plan) => this.#round(seat, plan),
    });
  }

  start({ callers }: ProcessPlan): void {
    const { workload } = this.#world;
    this.seats.start(callers.map((plan) => paced(reviewed(plan, workload), workload.inHurry)));
  }

  reached(situation: Situation, times = 1): void {
    this.#world.reached(situation, times);
  }

  /** Asked again and again once everything is healed: every document is made right, so that readers can have the newest. */
  mend(): void {
    const [seat] = this.seats.core;
    if (this.#isMending || this.isMended || seat === undefined) return;
    this.#isMending = true;
    const over = () => {
      this.#isMending = false;
    };
    this.#mend(seat).then(over, over);
  }

  readonly nowMs = (): number => this.#world.simulation.nowMs;

  newId(): string {
    this.#ids += 1;
    return `c${this.#ids}`;
  }

  /** Whatever becomes of it: while nobody is told, nobody knows. */
  async note(
    { process }: ConfigSeat,
    { asksAgain }: Pick<CallerPlan, 'asksAgain'>,
    call: Pick<ConfigCall, 'do'> & Partial<ConfigCall>,
    work: (options: ConfigChangeOptions) => Promise<{ readonly revision: number }>,
  ): Promise<boolean> {
    const { nowMs } = this.#world.simulation;
    const id = call.id ?? this.newId();
    const noted: Writable<ConfigCall> = {
      process: process.name,
      outcome: 'unknown',
      beganAtMs: nowMs,
      ...call,
      id,
    };
    this.calls.push(noted);
    const options = { reason: call.do, changeId: id };
    try {
      return await this.#try(noted, () => work(options));
    } catch (error) {
      if (noted.outcome !== 'unknown' || !asksAgain) throw error;
      this.reached('a call was made again under its id');
      return await this.#try({ ...noted, outcome: 'unknown' }, () => work({ ...options }), noted);
    }
  }

  async #try(
    told: Writable<ConfigCall>,
    work: () => Promise<{ readonly revision: number }>,
    noted = told,
  ): Promise<boolean> {
    const isFirst = noted === told;
    try {
      const { revision } = await work();
      Object.assign(noted, { revision, outcome: 'done', endedAtMs: this.#world.simulation.nowMs });
      return true;
    } catch (error) {
      // Of one that was in doubt before, a refusal says nothing.
      if (isFirst) noted.outcome = isQuorateError(error) ? error.outcome : 'unknown';
      noted.endedAtMs = this.#world.simulation.nowMs;
      throw error;
    }
  }

  /** The author of a proposal approves it, by another program: nobody may count that. */
  async forgeVote({ client, process }: ConfigSeat, { author, id, revision }: ConfigProposal): Promise<void> {
    const approval = {
      atMs: 1,
      reason: 'it is mine',
      verdict: 'approve',
      revision,
    } as const;
    const forged = put(this.keys.vote(process.name, { author, id }), encodeVote(approval));
    await client.store.txn(txnOf({ success: [forged] }));
  }

  /**
   * Its author puts a proposal again, by another program, and at the same revision another one whose key is that of the first,
   * spelled in another way: what is approved is the first, and nobody may publish the other.
   */
  async forgeTwin({ client }: ConfigSeat, { author, id, revision }: ConfigProposal): Promise<void> {
    const key = this.keys.proposal(author, id);
    const { kvs } = await client.store.range({ key });
    const [standing] = kvs;
    if (standing?.modRevision !== revision) return;
    const { layers, ...known } = decodeProposal(standing.value);
    const other = bytesOf(JSON.stringify({ tag: `twin ${this.newId()}` }));
    const twin = encodeProposal({ ...known, layers: layers.map((layer) => ({ ...layer, content: other })) });
    const spelled = `${key.slice(0, -id.length)}%${id.charCodeAt(0).toString(16)}${id.slice(1)}`;
    const { succeeded } = await client.store.txn({
      ...{ compare: [compare.mod(key, 'equal', revision)], failure: [] },
      success: [put(key, standing.value), put(spelled, twin)],
    });
    if (succeeded) this.reached('a proposal had a twin, under its key spelled in another way');
  }

  /** A vote of its own is deleted by another program, without a word. */
  async deleteVote({ client, process }: ConfigSeat, { author, id }: ConfigProposal): Promise<void> {
    const key = this.keys.vote(process.name, { author, id });
    const { succeeded } = await client.store.txn({
      ...{ compare: [compare.create(key, 'greater', 0)], success: [remove(key)], failure: [] },
    });
    if (succeeded) this.reached('a vote was taken away');
  }

  #furnish(seat: Seat): ConfigSeat {
    const plan = this.#world.workload.processes[seat.process.index] as ProcessPlan;
    const documents = documentsOf(seat.client.runtime, plan.editorSchemaMs);
    const editor = new ConfigEditor(seat.client, name, {
      documents: documentNames.map((one) => documents[one]),
      author: seat.process.name,
    });
    return { ...seat, editor, documents, reader: this.reading.start(seat, plan) };
  }

  async #round(seat: ConfigSeat, plan: CallerPlan): Promise<void> {
    const { isPatient, options, end } = this.seats.waitOf(seat, plan);
    try {
      if (plan.struckAs === 'calls') this.seats.strike(plan, seat.process);
      const done =
        plan.what === 'break' ? this.#break(plan) : this.#deed(deeds[plan.what], seat, plan, options);
      if (plan.struckAs === 'waits') this.seats.strike(plan, seat.process);
      await done;
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
      this.#countRefusal(plan, error);
      const hasGivenUp = error.code === 'timeout' || error.code === 'aborted';
      if (!isPatient && hasGivenUp) this.reached('a call was given up');
    } finally {
      end();
    }
  }

  #deed(deed: Deed, seat: ConfigSeat, plan: CallerPlan, options: WaitOf['options']) {
    const pause = () => sleep(seat.client.runtime, this.seats.isHealed ? 0 : plan.thinkMs);
    return deed({ scene: this, seat, plan, options, pause, text: this.newId() });
  }

  #countRefusal({ what }: CallerPlan, { code, details }: QuorateError): void {
    if (!refusals.includes(code)) return;
    if (what === 'promote' && code === 'conflict') {
      this.reached('a promotion was refused, since something had changed');
    }
    if (what === 'swap' && code === 'conflict') {
      this.reached('a change was refused, since it expected something else');
    }
    if (what === 'propose' && code === 'conflict' && details['change'] !== undefined) {
      this.reached('a proposal was refused, since it had been published');
    }
    if (what === 'publish' && code === 'review-required') {
      this.reached('a publication was refused for want of approvals');
    }
  }

  /** Another program writes what fails the schema, beside something that is right. */
  async #break({ document }: CallerPlan): Promise<void> {
    if (this.seats.isHealed || this.#breaks >= mostBreaks) return;
    this.#breaks += 1;
    const other = document === 'a' ? 'b' : 'a';
    const bad = bytesOf(JSON.stringify({ tag: 5, [foreignMark]: true }));
    const good = bytesOf(JSON.stringify({ tag: `beside ${this.newId()}`, [foreignMark]: true }));
    const success = [
      put(this.keys.layer(document, ''), bad),
      put(this.keys.layer(other, ''), good),
      put(this.keys.stamp, foreignMark),
    ];
    await this.#administrator.txn(txnOf({ success }));
  }

  async #mend(seat: ConfigSeat): Promise<void> {
    const { editor, documents } = seat;
    const patient = { asksAgain: true };
    for (const one of documentNames) {
      await this.note(seat, patient, { do: 'policy' }, (options) =>
        editor.setPolicy(documents[one], { approvals: 0 }, options),
      );
    }
    const tag = this.newId();
    const layers = documentNames.map((document) => ({ document, scope: '', value: { tag } }));
    await this.note(seat, patient, { do: 'change', layers }, (options) =>
      editor.change([documents.a.set({ tag }), documents.b.set({ tag })], options),
    );
    this.isMended = true;
  }
}
