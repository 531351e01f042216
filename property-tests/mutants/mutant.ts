/** A bug made on purpose, to see whether the property that should find it does. */
export interface Mutant {
  readonly name: string;
  /** For example `src/line/line.ts`. */
  readonly file: string;
  /** What it changes: exact text, which the file has once. */
  readonly find: string;
  readonly replace: string;
  /** The known bug: of whom, and where it is told. */
  readonly story: string;
  /** The module of the property that finds it. */
  readonly killedBy: string;
  /** What the failure must name, if only that is a proof: ids of invariants, or `not live`. */
  readonly invariant?: string;
}
