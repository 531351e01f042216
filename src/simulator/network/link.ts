import type { Cluster } from '../cluster/cluster.js';
import type { FaultCounts } from '../faults/fault-counts.js';

/** Somebody with a connection that may break. */
export interface LinkUser {
  /** Word of a cut has reached this end, or the connection was reset. */
  connectionLost(): void;
  /** The streams of watches break; the connection stands. */
  watchesBroken(): void;
  /** What was held up may pass now. */
  linkChanged(): void;
}

/** The conditions that faults put on a link; each counts how many windows of its kind are open. */
export interface LinkConditions {
  slow: number;
  lossy: number;
  late: number;
  silentWatches: number;
  slowWatches: number;
  lostKeepAlives: number;
  cutRequests: number;
  cutReplies: number;
}

/** What lies between one process and the members. */
export class Link {
  readonly cluster: Cluster;
  readonly counts: FaultCounts;
  readonly latencyMs: { readonly min: number; readonly max: number };
  /** The member that a new connection tries first. */
  readonly home: number;
  readonly conditions: LinkConditions = {
    slow: 0,
    lossy: 0,
    late: 0,
    silentWatches: 0,
    slowWatches: 0,
    lostKeepAlives: 0,
    cutRequests: 0,
    cutReplies: 0,
  };
  readonly #users = new Set<LinkUser>();
  readonly #held: (() => void)[] = [];

  constructor(parts: {
    cluster: Cluster;
    counts: FaultCounts;
    latencyMs: { readonly min: number; readonly max: number };
    home: number;
  }) {
    this.cluster = parts.cluster;
    this.counts = parts.counts;
    this.latencyMs = parts.latencyMs;
    this.home = parts.home;
  }

  /** Connections can be made, and go on. */
  get isWhole(): boolean {
    return this.conditions.cutRequests === 0 && this.conditions.cutReplies === 0;
  }

  join(user: LinkUser): void {
    this.#users.add(user);
  }

  leave(user: LinkUser): void {
    this.#users.delete(user);
  }

  /** Every connection of this moment. */
  users(): readonly LinkUser[] {
    return [...this.#users];
  }

  /** Keeps what a cut has caught, as TCP does: it is sent again when the cut is mended. */
  hold(arrive: () => void): void {
    this.#held.push(arrive);
  }

  /** Tells of a change of conditions; what was held arrives once nothing is cut any more. */
  changed(): void {
    if (this.isWhole) for (const arrive of this.#held.splice(0)) arrive();
    for (const user of [...this.#users]) user.linkChanged();
  }
}
