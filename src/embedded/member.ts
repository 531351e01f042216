import type { Runtime } from '../runtime/index.js';
import type { HeaderMessage, Int64Value } from './wire.js';

/** Who this server says it is: a cluster of one member. Kept in the snapshot, so that a restart is no new cluster. */
export interface Identity {
  /** 16 hexadecimal digits each. */
  readonly clusterId: string;
  readonly memberId: string;
  /** Raised by every restart from a snapshot, as an election would. */
  readonly raftTerm: number;
}

export function newIdentity(runtime: Runtime): Identity {
  return { clusterId: runtime.newId(), memberId: runtime.newId(), raftTerm: 2 };
}

function uint64(hex: string): Int64Value {
  return {
    high: Number.parseInt(hex.slice(0, 8), 16) | 0,
    low: Number.parseInt(hex.slice(8), 16) | 0,
    unsigned: true,
  };
}

/** The member's name, address and reply headers. */
export class Member {
  readonly identity: Identity;
  readonly name = 'embedded';
  /** The version whose behaviour this server follows; the suffix tells that it is not etcd. */
  readonly version = '3.4.23+quorate';
  readonly id: Int64Value;
  readonly #clusterId: Int64Value;
  #clientUrl = '';

  constructor(identity: Identity) {
    this.identity = identity;
    this.id = uint64(identity.memberId);
    this.#clusterId = uint64(identity.clusterId);
  }

  /** Known once the port is. */
  get clientUrl(): string {
    return this.#clientUrl;
  }

  set clientUrl(url: string) {
    this.#clientUrl = url;
  }

  header(revision: number): HeaderMessage {
    return {
      cluster_id: this.#clusterId,
      member_id: this.id,
      revision,
      raft_term: this.identity.raftTerm,
    };
  }
}
