import { hashOf } from '../partitioner.js';

/**
 * Who is to own which partition: rendezvous hashing with bounded load. Each partition goes to the member with the highest hash
 * of both, among those that have less than their share; so each has as many as another, or one more. A function of the members alone, so everybody who sees the same ones
 * comes to the same, and nobody has to be told: no leader, no generation. That two see different members for a while
 * costs time; what is owned is decided by the keys of owners.
 *
 * When a member leaves, its partitions move, and few others; when one comes, it is given its share.
 */
export function assign(members: readonly string[], partitions: number): readonly (string | undefined)[] {
  if (members.length === 0) return Array.from({ length: partitions }, () => undefined);
  const least = Math.floor(partitions / members.length);
  let extras = partitions % members.length;
  const sorted = [...members].sort();
  const load = new Map<string, number>();
  return Array.from({ length: partitions }, (_, partition) => {
    let best: string | undefined;
    let bestHash = -1;
    for (const member of sorted) {
      const has = load.get(member) ?? 0;
      if (has > least || (has === least && extras === 0)) continue;
      const hash = hashOf(`${member}/${partition}`);
      if (hash > bestHash) [best, bestHash] = [member, hash];
    }
    if (best === undefined) return undefined;
    const has = load.get(best) ?? 0;
    if (has === least) extras -= 1;
    load.set(best, has + 1);
    return best;
  });
}
