import { QuorateError } from '../../errors.js';
import { type Line, type Place, sendJoinings } from '../../line/index.js';
import type { Client, Session } from '../../session/index.js';
import type { StoredLimit } from './limit.js';
import { WeightAdmission } from './weight-admission.js';
import { placeNameOf, placesKey, weightIn } from './weights.js';

/** What is asked for. */
export interface PermitRequest {
  readonly weight: number;
  readonly owner?: string | undefined;
}

export interface TakeFrom {
  readonly client: Client;
  readonly line: Line;
  readonly limit: StoredLimit;
}

export interface Taken {
  readonly place: Place;
  readonly admission: WeightAdmission;
}

/**
 * Takes a place for each of them, one behind the other, all in one transaction: the order of places that one revision
 * created is that of their keys. Creates the limit if there is none. Goes on until the outcome is known, as long as the
 * session lives; throws `session-lost` if it does not. Without `follow`, nobody tells a place that waits of its turn.
 */
export async function takePlaces(
  { client, line, limit }: TakeFrom,
  session: Session,
  requests: readonly PermitRequest[],
  { follow = true } = {},
): Promise<readonly Taken[]> {
  const admissions = requests.map(({ weight }) => new WeightAdmission(limit.key, weight));
  const stems = requests.map(() => line.newStem()).sort(byKey);
  const joinings = requests.map(({ weight, owner }, index) => {
    const shape = {
      keys: (stem: string) => [placeNameOf(stem, weight)],
      waitsFor: (key: string) => key.startsWith(placesKey) && weightIn(key) !== undefined,
      ...{ admission: admissions[index] as WeightAdmission },
    };
    const says = owner === undefined ? undefined : { owner };
    return line.joining(session, { stem: stems[index], shape, says });
  });
  const transaction = { compare: [session.guard()], before: [limit.creation] };
  const places = await sendJoinings({ client, session, joinings, follow, ...transaction });
  if (places === undefined) {
    // Refused by the anchor: the lease is over, or somebody deleted the anchor, which ends the session too.
    await session.verify({ signal: session.signal }).catch(() => {});
    throw new QuorateError('session-lost', 'the session had ended when places were to be taken');
  }
  return places.map((place, index) => ({ place, admission: admissions[index] as WeightAdmission }));
}

/** As the keys that are made of them: each is followed by a dot. */
function byKey(left: string, right: string): number {
  return `${left}.` < `${right}.` ? -1 : 1;
}
