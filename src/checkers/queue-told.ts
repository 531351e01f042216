/** Whether handlers, and those who wait for jobs or cancel them, were told what is so. */
import { type ItemId, QueueKeys } from '../queues/keys.js';
import { textOf } from '../store/index.js';
import { sameValue } from './deep-equal.js';
import type {
  QueueOutcomesCheck,
  SeenEnd,
  SeenJob,
  ToldCancel,
  ToldHandler,
  ToldWait,
} from './queue-outcomes.js';
import { broken } from './sentences.js';

/** Throws QUEUE-17, QUEUE-18 and QUEUE-19. */
export function checkTold(
  options: QueueOutcomesCheck,
  jobs: ReadonlyMap<ItemId, SeenJob>,
  followUps: ReadonlyMap<ItemId, readonly ItemId[]>,
): void {
  const rejected = new Set<string>();
  for (const handler of options.handlers) {
    const job = jobs.get(handler.id);
    if (job === undefined) broken('QUEUE-2', `${handler.process} handled ${handler.id}, which there is not`);
    if (handler.rejects) rejected.add(grantOf(handler));
    checkHandler(handler, job, followUps.get(handler.id) ?? [], options.maxLosses);
  }
  for (const job of jobs.values()) checkRejection(job, rejected);
  const keys = new QueueKeys(options.prefix);
  for (const wait of options.waits) checkWait(wait, jobs.get(wait.id)?.end, options, keys);
  checkCancels(options.cancels, jobs);
}

function grantOf({ id, generation }: { id: ItemId; generation: number }): string {
  return `${id}@${generation}`;
}

function checkHandler(
  handler: ToldHandler,
  { end, lossesBefore }: SeenJob,
  put: readonly ItemId[],
  maxLosses: number,
): void {
  const { process, id, generation, told, revision, followUps = [] } = handler;
  const who = `${process}, handling ${id} in generation ${generation},`;
  const losses = lossesBefore[generation] ?? 0;
  if (losses >= maxLosses) broken('QUEUE-17', `${who} was given it after ${losses} losses`);
  const isMine = end !== undefined && end.way !== 'cancelled' && end.generation === generation;
  const truth = end ? `it is ${end.way} at ${end.revision} by ${end.generation}` : 'it has not ended';
  if (told === 'completed') {
    if (!isMine || end.way !== 'acknowledged' || end.revision !== revision) {
      broken('QUEUE-19', `${who} was told that it is completed at ${revision}, and ${truth}`);
    }
    if (followUps.join() !== put.join()) {
      broken('QUEUE-19', `${who} was told of follow-ups ${followUps.join()}, and they are ${put.join()}`);
    }
  }
  if (told === 'dead' && !(isMine && end.way === 'dead')) {
    broken('QUEUE-17', `${who} was told that it is in the dead letters, and ${truth}`);
  }
  if (told === 'refused' && isMine) broken('QUEUE-17', `${who} was told that it was refused, and ${truth}`);
}

function checkRejection({ id, end }: SeenJob, rejected: ReadonlySet<string>): void {
  const { cause, generation } = end ?? {};
  if (cause !== 'rejected') return;
  if (!rejected.has(grantOf({ id, generation: generation ?? 0 }))) {
    broken('QUEUE-17', `job ${id} is in the dead letters as rejected, and no handler has rejected it`);
  }
}

function checkWait(
  wait: ToldWait,
  end: SeenEnd | undefined,
  { history }: QueueOutcomesCheck,
  keys: QueueKeys,
): void {
  const { process, id, calledAt, returnedAt, told, value } = wait;
  const who = `${process}, waiting for ${id} from revision ${calledAt} to ${returnedAt},`;
  const result = end?.result;
  switch (told) {
    case 'gave-up':
      return;
    case 'pending':
      // Without a result too: it ended, and that is to be told.
      if (end !== undefined) broken('QUEUE-18', `${who} was never told that it ended at ${end.revision}`);
      return;
    case 'no-result': {
      const deletions = [keys.item(id), keys.result(id)].flatMap((key) =>
        history.eventsOf(key).flatMap(({ type, kv }) => (type === 'delete' ? [kv.modRevision] : [])),
      );
      const moments = [calledAt, ...deletions.filter((at) => at > calledAt && at <= returnedAt)];
      const wasSo = moments.some(
        (at) => !history.valueAt(keys.item(id), at) && !history.valueAt(keys.result(id), at),
      );
      if (!wasSo) broken('QUEUE-18', `${who} was told that there is no result, and there was no such time`);
      return;
    }
    default:
      if (result?.status !== told || (end?.revision ?? Number.POSITIVE_INFINITY) > returnedAt) {
        broken('QUEUE-18', `${who} was told ${told}, and the result is ${result?.status ?? 'none'}`);
      }
      if (result.status !== 'completed') return;
      if (!sameValue(value, result.value && JSON.parse(textOf(result.value)))) {
        broken('QUEUE-18', `${who} was told ${JSON.stringify(value)}, and that is not the result`);
      }
  }
}

function checkCancels(cancels: readonly ToldCancel[], jobs: ReadonlyMap<ItemId, SeenJob>): void {
  for (const { process, id, calledAt, returnedAt, told } of cancels) {
    const end = jobs.get(id)?.end;
    const who = `${process}, cancelling ${id} from revision ${calledAt} to ${returnedAt},`;
    const isCancelled = end?.way === 'cancelled';
    const truth = end ? `it is ${end.way} at ${end.revision}` : 'it has not ended';
    const isTrue =
      told === 'unknown' ||
      (told === 'cancelled' && isCancelled && end.revision <= returnedAt) ||
      (told === 'none' && !isCancelled && end !== undefined && end.revision <= returnedAt) ||
      (told === 'not-applied' && !isCancelled);
    if (!isTrue) broken('QUEUE-17', `${who} was told ${told}, and ${truth}`);
  }
}
