/**
 * The most that a document, and what is said of a change, can come to take until what is begun now is finished: numbers and ids as long
 * as they get. What it takes then is measured by building it of these.
 */
import type { Attribution } from '../records/attribution.js';
import { rememberedIds } from '../records/head.js';
import type { DocumentState, ReadStates } from './document-state.js';
import { longest } from './limits.js';

/** As a number, and as the revision of a key: the next of each is still one. */
export const latest = Number.MAX_SAFE_INTEGER - 2;

/** Of this many bytes as JSON, and of three times as many in a key. Another for each index below 2^16. */
export function longestText(bytes: number, index = 0): string {
  return '\u{10ffff}'.repeat(bytes / 4 - 1) + String.fromCodePoint(0x10ffff - index);
}

export const longestId = longestText(longest.changeId);

export function longestAttribution(index = 0): Attribution {
  const author = longestText(longest.author, index);
  return { author, atMs: latest, reason: longestText(longest.reason) };
}

/** As these documents may be read later, with the layers as they are. */
export function readLater(
  { states }: ReadStates,
  change: (state: DocumentState) => Partial<DocumentState>,
  extra: ReadStates['extra'] = [],
): ReadStates {
  const recent = Array.from({ length: rememberedIds }, () => ({
    ...{ id: longestId, number: latest },
    proposal: { author: longestText(longest.author), id: longestId },
  }));
  const later = [...states].map(([name, state]) => {
    const revisions = { ...state.revisions, rollout: latest, head: latest, policy: latest };
    const policy = { ...state.policy, approvals: 0 };
    const head = { number: latest, first: 1, recent };
    return [name, { ...state, revisions, policy, head, ...change(state) }] as const;
  });
  return { revision: latest, states: new Map(later), extra };
}
