/** FNV-1a over 32 bits, and the finalizer of MurmurHash3, without which alike ids would lie close together. */
const offsetBasis = 0x811c9dc5;
const prime = 0x01000193;

/**
 * Where an instance stands in a rollout: in [0, 1), the same in every process and at every time, and in another rollout
 * somewhere else, so that it is not always the same instances that come first.
 */
export function shareOf(rolloutId: string, instanceId: string): number {
  let hash = offsetBasis;
  for (const byte of Buffer.from(`${rolloutId}\n${instanceId}`)) {
    hash = Math.imul(hash ^ byte, prime);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  hash ^= hash >>> 16;
  return (hash >>> 0) / 2 ** 32;
}
