/**
 * Changes to what a condition queue waits for, made by people and controllers. Each is one transaction on keys that outlive all
 * sessions.
 *
 * - **Define** read `h`, `h/def`, `h/kind`, `q/rel` at one revision; `IF mod(h/def), mod(q/rel) = as read THEN put h/def, put q/defined`, again
 *   if others were faster. A queue that is open for good stays so. `q/defined` is among the news that a dispatcher must answer: if it hangs,
 *   the next candidate waits no longer for it.
 * - **Gate** `put q/gate/<name>`, **done** `put q/task/<name>`: last come, last served; a fact is a fact however often it is put.
 * - *Reply lost*: the exactly-once store finds out. *Dispatcher*: it sees each of these in the watch that brings the items; a
 *   release or an assignment that is under way with older knowledge is refused by its compares.
 */
import { invalidArgument } from '../../errors.js';
import { Backoff, TimeLeft, type WaitOptions } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { compare, get, type Op, put, txnOf } from '../../store/index.js';
import type { QueueKeys } from '../keys.js';
import { checkKind, createGates } from '../producer/admission.js';
import { firstOf } from '../reading/first-of.js';
import { definedKey, releasedIn, releasedKey } from './condition-keys.js';
import { type Definition, encodeDefinition } from './definition.js';
import { definitionIn } from './read-conditions.js';

const retryDelay = { firstMs: 5, longestMs: 200 };

export interface Changing {
  readonly client: Client;
  readonly keys: QueueKeys;
  readonly doing: string;
  readonly options: WaitOptions;
}

/** The version of the definition, which counts its changes. */
export async function define(
  { client, keys, doing, options }: Changing,
  definition: Definition,
): Promise<number> {
  const { runtime, store } = client;
  const left = new TimeLeft(runtime, options, doing);
  const backoff = new Backoff(runtime, retryDelay);
  const bytes = encodeDefinition(definition);
  for (;;) {
    const reads = [keys.gate, keys.kindKey, keys.definitionKey, releasedKey(keys)].map((key) => get(key));
    const { replies, revision } = await store.txn(txnOf({ success: reads }), left.all());
    const [gate, kind, stored, released] = replies.map(firstOf);
    if (gate === undefined) {
      const own = { current: bytes };
      const made = await store.txn(createGates(keys.definedAs(own), revision, ['']), left.all());
      if (made.succeeded) return 1;
    } else {
      checkKind(keys, kind);
      if (stored !== undefined && Buffer.compare(stored.value, bytes) === 0) return stored.version;
      const before = stored && definitionIn(stored);
      if (releasedIn(released).upTo === undefined && !isSameRelease(before, definition)) {
        throw invalidArgument(`${keys.prefix} is open for good`, 'the same condition, with other tasks');
      }
      const request = {
        compare: [
          compare.mod(keys.definitionKey, 'equal', stored?.modRevision ?? 0),
          compare.mod(releasedKey(keys), 'equal', released?.modRevision ?? 0),
        ],
        success: [put(keys.definitionKey, bytes), put(definedKey(keys), '')],
      };
      if ((await store.txn(txnOf(request), left.all())).succeeded) return (stored?.version ?? 0) + 1;
    }
    await left.pause(backoff.nextMs());
  }
}

/** Puts what a condition is judged by, into a queue of this kind or one that nobody has used yet. */
export async function putFact({ client, keys, doing, options }: Changing, fact: Op): Promise<void> {
  const { runtime, store } = client;
  const left = new TimeLeft(runtime, options, doing);
  for (;;) {
    const { succeeded, replies, revision } = await store.txn(
      txnOf({
        compare: [compare.value(keys.kindKey, 'equal', keys.kind)],
        success: [fact],
        failure: [get(keys.gate), get(keys.kindKey)],
      }),
      left.all(),
    );
    if (succeeded) return;
    const [gate, kind] = replies.map(firstOf);
    if (gate !== undefined) checkKind(keys, kind);
    await store.txn(createGates(keys, revision, ['']), left.all());
  }
}

function isSameRelease(before: Definition | undefined, after: Definition): boolean {
  if (before === undefined) return false;
  return JSON.stringify([before.when, before.release]) === JSON.stringify([after.when, after.release]);
}
