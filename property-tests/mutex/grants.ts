import type { History } from '../../src/checkers/index.js';
import { decodeGrant, sentinelOf } from '../../src/line/grant.js';
import { type Key, prefixRange } from '../../src/store/index.js';

/** How turns went on in a line by the name of the next: see src/line/grant.ts. */
export interface GrantCounts {
  readonly byName: number;
  /** Who was named first was not the next in line, since that one had gone. */
  readonly passedOver: number;
  /** A holder went and named nobody, and somebody stood in line. */
  readonly unnamed: number;
}

/** `base`: what the keys of the lock begin with. `line`: those of its places. */
export function countGrants(history: History, base: Key, line: Key): GrantCounts {
  const counts = { byName: 0, passedOver: 0, unnamed: 0 };
  let promised: Key | undefined;
  for (const { revision, events } of history.entries) {
    for (const { type, kv } of events) {
      if (kv.key === sentinelOf(base) && type === 'delete') {
        if (history.rangeAt(prefixRange(line), revision).length > 0) counts.unnamed += 1;
        promised = undefined;
      }
      if (type !== 'put' || !kv.key.startsWith(`${base}g/`)) continue;
      const grant = decodeGrant(kv);
      if (grant === undefined || grant.isHandOver) continue;
      counts.byName += 1;
      if (promised !== undefined && promised !== grant.place) counts.passedOver += 1;
      promised = grant.behind[0]?.key;
    }
  }
  return counts;
}
