import { hexRevision, type Key, type KeyRange, nameOfSegment, segmentOf } from '../store/index.js';
import { keyOfScope, type Scope, scopeOfKey } from './scope.js';

/** What a key that readers follow is about. */
export type LiveKey =
  | { readonly kind: 'layer'; readonly document: string; readonly scope: Scope }
  | { readonly kind: 'rollout'; readonly document: string }
  | { readonly kind: 'stamp' };

/** What names a proposal. */
export interface ReviewedKey {
  readonly author: string;
  readonly id: string;
}

/** What a key under `review/` is: a proposal, or a vote on one. */
export type ReviewKey =
  | { readonly kind: 'proposal'; readonly proposal: ReviewedKey }
  | { readonly kind: 'vote'; readonly proposal: ReviewedKey; readonly voter: string };

/** The keys of one configuration. */
export class ConfigKeys {
  readonly prefix: Key;
  /** What readers follow, and nothing else. */
  readonly live: Key;
  /** Put by everything that changes what readers follow: its revision is that of the last change. */
  readonly stamp: Key;
  /** Proposals and votes, by author. */
  readonly reviews: Key;

  constructor(prefix: Key) {
    this.prefix = prefix;
    this.live = `${prefix}live/`;
    this.stamp = `${this.live}stamp`;
    this.reviews = `${prefix}review/`;
  }

  /** All layers of a document. */
  layers(document: string): Key {
    return `${this.live}c/${segmentOf(document)}/`;
  }

  /** The content of a document for a scope, in the bytes of its codec, and nothing else. */
  layer(document: string, scope: Scope): Key {
    return this.layers(document) + keyOfScope(scope);
  }

  rollout(document: string): Key {
    return `${this.live}r/${segmentOf(document)}`;
  }

  /** How many changes of the document there were: put by each of them, so that they come one after the other. */
  head(document: string): Key {
    return `${this.prefix}head/${segmentOf(document)}`;
  }

  policy(document: string): Key {
    return `${this.prefix}policy/${segmentOf(document)}`;
  }

  histories(document: string): Key {
    return `${this.prefix}history/${segmentOf(document)}/`;
  }

  history(document: string, number: number): Key {
    return this.histories(document) + hexRevision(number);
  }

  /** The changes of a document from the one number to the other, both included. */
  historyBetween(document: string, from: number, to: number): Required<KeyRange> {
    return { key: this.history(document, from), rangeEnd: this.history(document, to + 1) };
  }

  /** Everything that an author proposes and votes: what etcd lets nobody else write, if roles are given so. */
  reviewsOf(author: string): Key {
    return `${this.reviews}${segmentOf(author)}/`;
  }

  proposal(author: string, id: string): Key {
    return `${this.reviewsOf(author)}proposal/${segmentOf(id)}`;
  }

  /** What a voter says of a proposal. Ids are the callers', and those of two authors may be the same: both are in it. */
  vote(voter: string, { author, id }: ReviewedKey): Key {
    return `${this.reviewsOf(voter)}vote/${segmentOf(author)}/${segmentOf(id)}`;
  }

  /** Undefined for a key of somebody else, however much it looks like one of these. */
  parseLive(key: Key): LiveKey | undefined {
    if (key === this.stamp) return { kind: 'stamp' };
    if (!key.startsWith(this.live)) return undefined;
    const path = key.slice(this.live.length);
    if (path.startsWith('r/')) {
      const document = nameOfSegment(path.slice(2));
      return document === undefined ? undefined : { kind: 'rollout', document };
    }
    const slash = path.indexOf('/', 2);
    if (!path.startsWith('c/') || slash < 0) return undefined;
    const document = nameOfSegment(path.slice(2, slash));
    const scope = scopeOfKey(path.slice(slash + 1));
    return document === undefined || scope === undefined ? undefined : { kind: 'layer', document, scope };
  }

  /**
   * Whose proposal, or whose vote on which proposal, a key is. Undefined for a key of somebody else, however much it looks like one of
   * these: what is approved by one key must not be published from another, nor a vote counted twice.
   */
  parseReview(key: Key): ReviewKey | undefined {
    if (!key.startsWith(this.reviews)) return undefined;
    const parts = key.slice(this.reviews.length).split('/').map(nameOfSegment);
    if (parts.includes(undefined)) return undefined;
    const [owner = '', kind, first = '', second = ''] = parts;
    if (kind === 'proposal' && parts.length === 3) {
      return { kind, proposal: { author: owner, id: first } };
    }
    if (kind !== 'vote' || parts.length !== 4) return undefined;
    return { kind, voter: owner, proposal: { author: first, id: second } };
  }
}
