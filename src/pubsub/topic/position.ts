/** A place in a partition: the revision that put a message, and its index among those that this revision put there. */
export interface Position {
  readonly revision: number;
  /** From 0; -1 stands for the place before all of its revision. */
  readonly index: number;
}

/** Before everything. */
export const beginning: Position = { revision: 0, index: -1 };

export function isAfter(one: Position, other: Position): boolean {
  return one.revision > other.revision || (one.revision === other.revision && one.index > other.index);
}

export function samePosition(one: Position, other: Position): boolean {
  return one.revision === other.revision && one.index === other.index;
}

/** The last place in a revision, whatever it has put. */
export function endOf(revision: number): Position {
  return revision === 0 ? beginning : { revision, index: Number.MAX_SAFE_INTEGER };
}

/** A gap: messages that nobody can hand out any more, since retention has removed them. */
export interface Gap {
  readonly partition: number;
  /** Missing is what comes after this place… */
  readonly after: Position;
  /** …up to and including this revision. */
  readonly toRevision: number;
  /** How many messages. Undefined for who began at a place that had been removed by then, so that nobody has counted. */
  readonly messages: number | undefined;
}
