/** What a collector is told: to follow a source in a new way. Assignments of one source have its name as their key. */
export interface Assignment {
  readonly source: string;
  /** Counts the assignments of the source, from 1. */
  readonly version: number;
  /** Only lines of this level and above are collected. */
  readonly level: 'debug' | 'info' | 'warning' | 'error';
}

const levels = ['debug', 'info', 'warning', 'error'] as const;

export const topicName = 'assignments';
export const groupName = 'collectors';
export const partitions = 12;

/** Round by round: each source once in each. */
export function assignments(sources: number, rounds: number): Assignment[] {
  return Array.from({ length: sources * rounds }, (_, number) => {
    const version = Math.floor(number / sources) + 1;
    return { source: `source-${number % sources}`, version, level: levels[version % 4] ?? 'info' };
  });
}

export function keyOf({ source }: Assignment): string {
  return source;
}
