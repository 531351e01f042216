/**
 * Who may travel together.
 *
 * The members of a group are nested transactions of one outer one, so they share its revision. etcd evaluates all
 * compares of a request, nested ones included, against the state before it, while its ranges see the writes that
 * precede them. A group is therefore equal to its members executed one by one only if none looks at what another
 * writes. With C the keys that a member compares, G those that it ranges and W those that it puts or deletes,
 * over all branches and depths:
 *
 *     admit b iff  (C_b + G_b + W_b) meets no W of the group,  W_b meets no C + G of the group,  and b fits.
 *
 * The first half keeps compares and ranges right. The second half keeps the *revision* of a reply right: with a
 * range in one member and a later member's write into that range, both would be answered with revision r, but the
 * range would not show a write of revision r; who then watches from r + 1 would never hear of it. Both together
 * mean that members are independent, so any order is their order. G counts against W also because one shared
 * revision ties the create order: two that join a line and read it never share a revision.
 *
 * Fits: etcd counts max(compares, then, else) per level and allows 128 along the deepest path, and 1.5 MiB.
 */
import type { Footprint } from './footprint.js';
import { KeySet } from './key-set.js';

/** What the group's own wrapping takes: the put of the lane beside the members. */
export const wrapperOps = 1;
/** Bytes of the wrapping, generously: the lane's key and value, the compare, the get, the request header. */
export const wrapperBytes = 4_096;
/** Bytes that wrap one member into the outer transaction. */
const memberBytes = 16;

export interface GroupLimits {
  /** Operations along the deepest path of the outer transaction. */
  maxOps: number;
  /** Bytes of the outer transaction. */
  maxBytes: number;
}

/** What admission needs to know of a transaction. */
export interface Candidate {
  readonly footprint: Footprint;
  /** Operations along its deepest path. */
  readonly ops: number;
  readonly bytes: number;
}

export type Admission = 'admitted' | 'conflict' | 'full';

export class Batch {
  readonly #limits: Readonly<GroupLimits>;
  readonly #read = new KeySet();
  readonly #written = new KeySet();
  #size = 0;
  #deepest = 0;
  #bytes = wrapperBytes;

  constructor(limits: Readonly<GroupLimits>) {
    this.#limits = limits;
  }

  /** Takes the candidate in, or says why not. The first is always taken: what fits nowhere was refused before. */
  admit(candidate: Candidate): Admission {
    const deepest = Math.max(this.#deepest, candidate.ops);
    const bytes = this.#bytes + candidate.bytes + memberBytes;
    if (this.#size > 0) {
      if (wrapperOps + this.#size + 1 + deepest > this.#limits.maxOps) return 'full';
      if (bytes > this.#limits.maxBytes) return 'full';
      if (this.#meets(candidate.footprint)) return 'conflict';
    }
    this.#size += 1;
    this.#deepest = deepest;
    this.#bytes = bytes;
    this.#add(candidate.footprint);
    return 'admitted';
  }

  #meets(footprint: Footprint): boolean {
    const { readPoints, readRanges, writtenPoints, writtenRanges } = footprint;
    for (const key of readPoints) if (this.#written.meetsPoint(key)) return true;
    for (const key of writtenPoints) {
      if (this.#written.meetsPoint(key) || this.#read.meetsPoint(key)) return true;
    }
    for (let index = 0; index < readRanges.length; index += 2) {
      if (this.#written.meetsRange(readRanges[index] as string, readRanges[index + 1] as string)) return true;
    }
    for (let index = 0; index < writtenRanges.length; index += 2) {
      const [start, end] = [writtenRanges[index] as string, writtenRanges[index + 1] as string];
      if (this.#written.meetsRange(start, end) || this.#read.meetsRange(start, end)) return true;
    }
    return false;
  }

  #add(footprint: Footprint): void {
    for (const key of footprint.readPoints) this.#read.addPoint(key);
    for (const key of footprint.writtenPoints) this.#written.addPoint(key);
    addRanges(footprint.readRanges, this.#read);
    addRanges(footprint.writtenRanges, this.#written);
  }
}

function addRanges(ranges: readonly string[], to: KeySet): void {
  for (let index = 0; index < ranges.length; index += 2) {
    to.addRange(ranges[index] as string, ranges[index + 1] as string);
  }
}
