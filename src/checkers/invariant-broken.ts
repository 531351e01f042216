/**
 * What a checker throws: a history in which something happened that must never happen. Its message is the invariant's
 * id, its sentence, and the evidence: which keys, revisions, tokens, processes and times.
 */
export class InvariantBroken extends Error {
  /** For example `LOCK-1`. */
  readonly id: string;
  /** What must hold, as docs/invariants.md says it. */
  readonly sentence: string;
  /** What happened instead. */
  readonly evidence: string;

  constructor(id: string, sentence: string, evidence: string) {
    super(`${id} ${sentence}: ${evidence}`);
    this.name = 'InvariantBroken';
    this.id = id;
    this.sentence = sentence;
    this.evidence = evidence;
  }
}
