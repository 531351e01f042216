import { type QuorateError, quorateErrorOf } from '../../errors.js';
import type { ConfigDocument } from '../document.js';
import { frozen } from './freeze.js';
import type { ConfigProblem } from './problem.js';
import type { Resolved } from './resolve.js';
import type { Given } from './snapshot.js';

/** What readers are to be given of one document, or why not. */
export interface Made {
  readonly document: ConfigDocument<unknown>;
  readonly given?: Given;
  readonly error?: QuorateError;
  /** The content is what it was. */
  readonly isSame?: boolean;
}

/** Decodes it, and asks its schema, unless the content is what it was `before`. Never throws or rejects. */
export function made(
  document: ConfigDocument<unknown>,
  resolved: () => Resolved,
  before?: Given | undefined,
): Made | Promise<Made> {
  const failed = (error: unknown): Made => ({
    document,
    error: quorateErrorOf(error, 'a document could not be read in an unforeseen way'),
  });
  try {
    const known = resolved();
    if (before !== undefined && isSameContent(before.content, known.content)) {
      return { document, given: { ...known, value: before.value }, isSame: true };
    }
    if (known.content === undefined) return { document, given: { ...known, value: undefined } };
    const of = (value: unknown): Made => ({ document, given: { ...known, value: frozen(value) } });
    const value = document.decode(known.content);
    return value instanceof Promise ? value.then(of).catch(failed) : of(value);
  } catch (error) {
    return failed(error);
  }
}

/** The documents whose schemas have not answered: fewer with every answer. What is being made never rejects. */
export function unansweredIn(
  making: ReadonlyMap<ConfigDocument<unknown>, Made | Promise<Made>>,
): ReadonlySet<ConfigDocument<unknown>> {
  const unanswered = new Set<ConfigDocument<unknown>>();
  for (const [document, one] of making) {
    if (!(one instanceof Promise)) continue;
    unanswered.add(document);
    void one.then(() => unanswered.delete(document));
  }
  return unanswered;
}

/** Why they are not given as of this revision; undefined: nothing hinders it. */
export function problemIn(all: readonly Made[], revision: number): ConfigProblem | undefined {
  const failures = all.flatMap(({ document, error }) =>
    error === undefined ? [] : [{ document: document.name, error }],
  );
  return failures.length === 0 ? undefined : { revision, failures };
}

function isSameContent(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return Buffer.compare(one, other) === 0;
}
