import { isQuorateError, QuorateError } from '../../errors.js';
import type { ConfigDocument } from '../document.js';
import { schemaAnswersWithinMs } from '../schema-time.js';

/**
 * A revision that readers are not given. Of each document that hinders it, why, as `error.code`:
 * - `codec`: it is not what its schema asks for, or cannot be decoded.
 * - `timeout`: its schema has not answered for 5 s. Should it still answer, the revision is given.
 * - `future-revision`: what readers were begun with is of a later revision than the store is at, which was put back, from a backup say.
 *   Told of all documents. Readers stay where they are until a change of this configuration is of a later revision, or they are opened without
 *   the seed.
 */
export interface ConfigProblem {
  readonly revision: number;
  readonly failures: readonly { readonly document: string; readonly error: QuorateError }[];
}

function unanswered(document: string): QuorateError {
  const message = `the schema of document "${document}" has not answered within ${schemaAnswersWithinMs} ms`;
  return new QuorateError('timeout', message, { details: { document } });
}

/** The schemas of these documents have not answered. */
export function unansweredOf(documents: Iterable<ConfigDocument<unknown>>, revision: number): ConfigProblem {
  const failures = [...documents].map(({ name }) => ({ document: name, error: unanswered(name) }));
  return { revision, failures };
}

/** Readers were given what is of revision `given`, and the same cluster stands at `revision`. */
export function wentBack(
  documents: readonly ConfigDocument<unknown>[],
  revision: number,
  given: number,
): ConfigProblem {
  const message = `in the store this configuration stands at revision ${revision}, below ${given}, which was begun with: it was put back. To have what the store holds, change it there, or begin without that`;
  const error = new QuorateError('future-revision', message, { details: { revision, given } });
  return { revision, failures: documents.map(({ name }) => ({ document: name, error })) };
}

/** What a call rejects with that waits for such a revision. */
export function errorOf({ revision, failures }: ConfigProblem, what: string): QuorateError {
  const [first] = failures;
  const documents = failures.map(({ document }) => document);
  const message = `revision ${revision} of ${what} is not given: ${first?.error.message}`;
  const codes = new Set(failures.map(({ error }) => error.code));
  const [only = 'codec'] = codes.size === 1 ? codes : [];
  const code = only === 'timeout' || only === 'future-revision' ? only : 'codec';
  return new QuorateError(code, message, { cause: first?.error, details: { revision, documents } });
}

/** The store was waited for in place of a seed that could not be used. */
export function withoutSeed(error: unknown, problem: ConfigProblem, what: string): unknown {
  // Of a schema that does not answer it says so itself.
  if (!isQuorateError(error, 'timeout') || error.details['documents'] !== undefined) return error;
  const { revision, failures } = problem;
  const documents = failures.map(({ document }) => document);
  const why = failures[0]?.error.message;
  const message = `the store does not answer, and the seed of ${what} is not used: ${why}`;
  return new QuorateError('unreachable', message, {
    ...{ cause: error, details: { documents, revision, failures } },
  });
}

/** Why the seed was not used, of such an error. */
export function seedProblemOf({ details }: QuorateError): ConfigProblem | undefined {
  const { revision, failures } = details as Partial<ConfigProblem>;
  return revision === undefined || failures === undefined ? undefined : { revision, failures };
}
