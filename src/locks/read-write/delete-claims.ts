import { type Claim, type Line, Place } from '../../line/index.js';
import type { Session } from '../../session/index.js';

/** Deletes these keys as far as they still are what they were, whatever became of their place. Never rejects. */
export async function deleteClaims(line: Line, session: Session, claims: readonly Claim[]): Promise<void> {
  const revision = Math.max(...claims.map(({ created }) => created));
  await line.leave(new Place({ claims, session, revision, asOf: revision, older: new Map() }));
}
