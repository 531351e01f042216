const offsetBasis = 0x811c9dc5;
const prime = 0x01000193;

/** FNV-1a of the text's UTF-8 bytes, finished as MurmurHash3 is, so that near texts lie far apart. A number of 32 bits. */
export function hashOf(text: string): number {
  let hash = offsetBasis;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, prime);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The partition of a key: the same in every process and every version, since what is stored was placed by it. */
export function partitionOf(key: string, partitions: number): number {
  return hashOf(key) % partitions;
}
