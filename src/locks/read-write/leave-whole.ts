import { type Claim, type Line, Place } from '../../line/index.js';
import type { Session } from '../../session/index.js';

/**
 * Gives a place up with all its keys. Where somebody else has deleted one of them the place is gone already, but the others
 * would stand as long as the session: they go too. Never rejects.
 */
export async function leaveWhole(line: Line, place: Place): Promise<void> {
  const { claims, session } = place;
  if (await line.leave(place)) return;
  if (claims.length > 1) await deleteClaims(line, session, claims);
}

/** Deletes these keys as far as they still are what they were, whatever became of their place. Never rejects. */
export async function deleteClaims(line: Line, session: Session, claims: readonly Claim[]): Promise<void> {
  const revision = Math.max(...claims.map(({ created }) => created));
  await line.leave(new Place({ claims, session, revision, asOf: revision, older: new Map() }));
}
