/** Another program, which knows the keys and nothing of the library: it writes what it likes, values that nobody can read too. */
import { sleep } from '../../src/runtime/index.js';
import type { ProcessContext } from '../../src/simulator/index.js';
import { bytesOf, type Key, type Op } from '../../src/store/index.js';
import { maxEntries, type ReplicaWorkload, tooLarge, withinMs } from './workload.js';

export interface ForeignOptions {
  readonly workload: ReplicaWorkload;
  /** What the keys of entries begin with, and the stamp. */
  readonly entries: Key;
  readonly stamp: Key;
  readonly isHealed: () => boolean;
}

/** Texts of others' values begin so; those that the codec refuses so. */
const readable = 'f';
const unreadable = '!';

export function isForeign(text: string): boolean {
  return text.startsWith(readable) || text.startsWith(unreadable);
}

export function isReadable(text: string): boolean {
  return !text.startsWith(unreadable);
}

const names = ['p0a', 'p0b', 'v', 'w', 'x'];
/** As many as there is room for, so that with any other there is too much. */
export const excessive = Array.from({ length: maxEntries }, (_none, index) => `z${index}`);

const requestMs = 1_000;
/** For so long there is too much. */
const excessMs = { from: 1_000, to: 2_500 };

/** Writes until all is healed. */
export async function writeAsForeigner(
  { store, runtime }: ProcessContext,
  { workload, entries, stamp, isHealed }: ForeignOptions,
): Promise<void> {
  let texts = 0;
  const write = (...ops: Op[]) => {
    // Who lets writers put the stamp relies on every one of them.
    const stamped: Op[] =
      workload.stampedBy === 'writers' ? [{ type: 'put', key: stamp, value: bytesOf('') }] : [];
    const request = { compare: [], success: [...ops, ...stamped], failure: [] };
    return store.txn(request, { timeoutMs: requestMs }).then(
      () => true,
      () => false,
    );
  };
  const put = (name: string, more = ''): Op => {
    texts += 1;
    const kind = runtime.random() < 0.3 ? unreadable : readable;
    return { type: 'put', key: entries + name, value: bytesOf(`${kind}${runtime.newId()}${texts}${more}`) };
  };
  const change = (name: string): Op =>
    runtime.random() < 0.35 ? { type: 'delete', key: entries + name } : put(name);
  const ofBytes = workload.fewBytes === true;
  const excess = workload.excess ? excessive.slice(0, ofBytes ? 1 : maxEntries) : [];
  let isTooMuch = false;
  const beganMs = runtime.monotonicMs();
  while (!isHealed()) {
    const nowMs = runtime.monotonicMs() - beganMs;
    const isTime = nowMs >= excessMs.from && nowMs < excessMs.to;
    if (excess.length > 0 && isTime !== isTooMuch) {
      const more = ofBytes ? tooLarge : '';
      const remove = (name: string): Op => ({ type: 'delete', key: entries + name });
      const ops = excess.map((name) => (isTime ? put(name, more) : remove(name)));
      if (await write(...ops)) isTooMuch = isTime;
    } else if (workload.foreignEveryMs > 0 && nowMs < 2 * withinMs) {
      await write(...names.filter(() => runtime.random() < 0.3).map(change));
    }
    await sleep(runtime, workload.foreignEveryMs > 0 ? workload.foreignEveryMs : 50);
  }
}
