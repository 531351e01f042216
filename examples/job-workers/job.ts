import type { Section } from '../support/corpus.js';

/** One piece of work: a section to be hashed and counted. */
export interface Job {
  readonly producer: string;
  /** Counts the producer's jobs, from 1. */
  readonly number: number;
  readonly section: Section;
}

/** That a job was put in, as its producer knows it. */
export interface Put {
  readonly id: string;
  /** At which it was there. */
  readonly revision: number;
  /** At which the store was before the call. */
  readonly calledAt: number;
}

/** What a job leaves behind, in a key of its own. */
export interface Effect {
  readonly worker: string;
  readonly sha256: string;
  readonly words: number;
}

/** The key of a job's effect below `prefix`. */
export function effectKey(prefix: string, { producer, number }: Job): string {
  return `${prefix}${producer}/${String(number).padStart(6, '0')}`;
}

/** Every second section is the left producer's, the others are the right one's. */
export function jobsOf(producer: string, sections: readonly Section[]): Job[] {
  const own = sections.filter((_section, index) => (index % 2 === 0) === (producer === 'left'));
  return own.map((section, index) => ({ producer, number: index + 1, section }));
}
