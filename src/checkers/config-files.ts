import { broken } from './sentences.js';

/** What is in two documents that are always changed together. `undefined`: there is none; `torn`: it is not whole. */
export type FoundPair = { readonly a: number; readonly b: number } | 'torn' | undefined;

/** What happened on a machine whose processes keep a configuration on disk, in order. */
export type ConfigFilesNote =
  /** The newest file of the last known good, as anybody finds it. */
  | { readonly type: 'newest'; readonly revision: number | undefined; readonly pair: FoundPair }
  /** A process was told that this revision is kept. */
  | { readonly type: 'kept'; readonly revision: number }
  | { readonly type: 'begins'; readonly process: string }
  /** It was given this, and that it is offline. */
  | {
      readonly type: 'offline';
      readonly process: string;
      readonly revision: number;
      readonly pair: FoundPair;
    }
  | { readonly type: 'refused'; readonly process: string; readonly reason: string }
  /** Somebody changed a file of the last known good behind everybody's back. */
  | { readonly type: 'damaged' }
  /** The file of the agent, as anybody finds it. */
  | { readonly type: 'file'; readonly pair: FoundPair }
  /** The agent told that its files are as they are to be, for good. */
  | { readonly type: 'files-changed' }
  | { readonly type: 'machine-crashed' }
  | { readonly type: 'run-begins'; readonly life: string }
  | { readonly type: 'run-ends'; readonly life: string; readonly isDone: boolean };

/** Throws if what is on disk, or what was made of it, is not what it has to be. */
export function checkConfigFiles(notes: readonly ConfigFilesNote[]): void {
  const judge = new Judge();
  for (const note of notes) judge.take(note);
}

/** Whether the last change of a file was followed by a run that succeeded. */
export function isFollowedByRun(notes: readonly ConfigFilesNote[]): boolean {
  let isOwed = false;
  let began = new Set<string>();
  let last = '';
  for (const note of notes) {
    if (note.type === 'file') {
      const found = JSON.stringify(note.pair) ?? '';
      if (found === last) continue;
      last = found;
      isOwed = true;
      began = new Set();
    } else if (note.type === 'run-begins') began.add(note.life);
    else if (note.type === 'run-ends' && note.isDone && began.has(note.life)) isOwed = false;
  }
  return !isOwed;
}

class Judge {
  #kept: number | undefined;
  #isDamaged = false;
  /** What was kept when a process began. */
  readonly #keptBefore = new Map<string, number | undefined>();
  readonly #pairs = new Map<number, number>();
  #file: number | undefined;
  #fileForGood: number | undefined;
  readonly #running = new Set<string>();

  take(note: ConfigFilesNote): void {
    if (note.type === 'newest') this.#newest(note.revision, note.pair);
    else if (note.type === 'kept') this.#kept = Math.max(this.#kept ?? 0, note.revision);
    else if (note.type === 'begins') this.#keptBefore.set(note.process, this.#kept);
    else if (note.type === 'offline') this.#offline(note.process, note.revision, note.pair);
    else if (note.type === 'refused') this.#refused(note.process, note.reason);
    else if (note.type === 'damaged') this.#isDamaged = true;
    else if (note.type === 'file') this.#found(note.pair);
    else if (note.type === 'files-changed') this.#fileForGood = this.#file;
    else if (note.type === 'machine-crashed') this.#file = this.#fileForGood;
    else if (note.type === 'run-begins') this.#runBegins(note.life);
    else this.#running.delete(note.life);
  }

  #newest(revision: number | undefined, pair: FoundPair): void {
    if (this.#kept !== undefined && (revision === undefined || revision < this.#kept)) {
      broken('CONFIG-10', `revision ${this.#kept} was kept, and the newest on disk is ${revision}`);
    }
    if (revision !== undefined && !this.#isDamaged) this.#given(revision, pair, 'on disk');
  }

  #offline(process: string, revision: number, pair: FoundPair): void {
    const kept = this.#keptBefore.get(process);
    if (kept !== undefined && revision < kept) {
      broken('CONFIG-10', `${process} began with revision ${revision}, and ${kept} had been kept before`);
    }
    this.#given(revision, pair, `given to ${process}`);
  }

  #refused(process: string, reason: string): void {
    if (this.#isDamaged || reason === 'unreadable') return;
    if (reason === 'missing' && this.#keptBefore.get(process) === undefined) return;
    broken('CONFIG-10', `${process} was refused its last known good: ${reason}`);
  }

  /** Later revisions have what is later, and the same revision the same. */
  #given(revision: number, pair: FoundPair, where: string): void {
    if (pair === 'torn') broken('CONFIG-10', `revision ${revision} ${where} is not whole`);
    if (pair !== undefined && pair.a !== pair.b) {
      broken('CONFIG-10', `revision ${revision} ${where} is half of a change: ${pair.a}, ${pair.b}`);
    }
    const number = pair?.a ?? 0;
    for (const [other, seen] of this.#pairs) {
      if (Math.sign(other - revision) * (seen - number) >= 0 && (other !== revision || seen === number))
        continue;
      broken('CONFIG-10', `revision ${revision} ${where} has ${number}, and ${other} has ${seen}`);
    }
    this.#pairs.set(revision, number);
  }

  #found(pair: FoundPair): void {
    if (pair === undefined && this.#file === undefined) return;
    if (pair === undefined) broken('CONFIG-11', `the file is gone, which had ${this.#file}`);
    if (pair === 'torn') broken('CONFIG-11', 'the file is not whole');
    if (pair.a !== pair.b) broken('CONFIG-11', `the file has half of a change: ${pair.a}, ${pair.b}`);
    if (this.#file !== undefined && pair.a < this.#file) {
      broken('CONFIG-11', `the file has ${pair.a}, and had ${this.#file} before`);
    }
    this.#file = pair.a;
  }

  #runBegins(life: string): void {
    if (this.#running.has(life)) broken('CONFIG-12', `${life} runs its command beside itself`);
    this.#running.add(life);
  }
}
