/** What watchers of a value were told, against the history of its key. */
import { type Key, type KeyValue, textOf } from '../store/index.js';
import type { History } from './history.js';
import { broken } from './sentences.js';

/** One view that a watcher was told. */
export type ToldView =
  | { readonly status: 'present'; readonly revision: number; readonly text: string }
  | { readonly status: 'absent'; readonly revision: number }
  | { readonly status: 'unknown' };

export interface ValueWatcher {
  readonly process: string;
  readonly views: readonly ToldView[];
  /** It watched on to the end, and had time to be told everything. */
  readonly isStanding: boolean;
}

/** One item of a reader of changes. */
export type ToldChange =
  | { readonly type: 'state'; readonly revision: number; readonly text: string | null }
  | { readonly type: 'set'; readonly revision: number; readonly text: string }
  | { readonly type: 'deleted'; readonly revision: number }
  | { readonly type: 'gap'; readonly fromRevision: number; readonly toRevision: number };

export interface ValueReader {
  readonly process: string;
  /** It asked for what came after this revision. Absent: it began with the state of its time. */
  readonly after?: number;
  readonly changes: readonly ToldChange[];
  /** It read on to the end, and had time to be told everything. */
  readonly isStanding: boolean;
}

/** VALUE-4. Answers how many views there were. */
export function checkViews(history: History, key: Key, { process, views, isStanding }: ValueWatcher): number {
  let newest = 0;
  for (const view of views) {
    if (view.status === 'unknown') continue;
    const { revision } = view;
    const text = view.status === 'present' ? view.text : null;
    const told = `${process} was told ${text ?? 'nothing'} of revision ${revision}`;
    if (revision < newest) broken('VALUE-4', `${told} after revision ${newest}`);
    newest = revision;
    const kv = history.valueAt(key, revision);
    const isWrite = text === null || kv?.modRevision === revision;
    if (isWrite && textIn(kv) === text) continue;
    broken('VALUE-4', `${told}, when it was ${textIn(kv) ?? 'nothing'}`);
  }
  if (!isStanding) return views.length;
  const last = views.at(-1);
  const now = history.valueAt(key, history.lastRevision);
  const isLast = last?.status === 'present' ? last.revision === now?.modRevision : now === undefined;
  if (last === undefined || last.status === 'unknown' || !isLast) {
    const what = JSON.stringify(last) ?? 'nothing';
    broken('VALUE-4', `${process} was told ${what} last, and it is ${textIn(now) ?? 'nothing'}`);
  }
  return views.length;
}

/** VALUE-5. Answers how many changes and gaps there were. */
export function checkChanges(
  history: History,
  key: Key,
  { process, after, changes, isStanding }: ValueReader,
): { readonly changes: number; readonly gaps: number } {
  /** Everything up to it is told, or said to be missing. Undefined: a state must come. */
  let upTo = after;
  let isAfterGap = false;
  let gaps = 0;
  const next = () => history.eventsOf(key).find(({ kv }) => kv.modRevision > (upTo ?? 0));
  for (const change of changes) {
    const told = `${process} was told ${JSON.stringify(change)}`;
    if (change.type === 'gap') {
      if (upTo === undefined || change.fromRevision !== upTo + 1 || change.toRevision < change.fromRevision) {
        broken('VALUE-5', `${told} after revision ${upTo}`);
      }
      upTo = change.toRevision;
      isAfterGap = true;
      gaps += 1;
      continue;
    }
    if (change.type === 'state') {
      const isDue = isAfterGap ? change.revision === upTo : upTo === undefined;
      const isSo = textIn(history.valueAt(key, change.revision)) === change.text;
      if (!isDue || !isSo) broken('VALUE-5', `${told} after revision ${upTo}`);
    } else {
      const event = next();
      const isIt = event?.type === (change.type === 'set' ? 'put' : 'delete');
      const text = change.type === 'set' ? change.text : undefined;
      const isSame = text === undefined || (event !== undefined && textOf(event.kv.value) === text);
      if (upTo === undefined || !isIt || !isSame || event?.kv.modRevision !== change.revision) {
        broken('VALUE-5', `${told} after revision ${upTo}, when revision ${event?.kv.modRevision} was next`);
      }
    }
    upTo = change.revision;
    isAfterGap = false;
  }
  const missing = upTo === undefined ? undefined : next();
  if (isStanding && (upTo === undefined || missing !== undefined)) {
    broken('VALUE-5', `${process} was told nothing of revision ${missing?.kv.modRevision}, after ${upTo}`);
  }
  return { changes: changes.length - gaps, gaps };
}

function textIn(kv: KeyValue | undefined): string | null {
  return kv === undefined ? null : textOf(kv.value);
}
