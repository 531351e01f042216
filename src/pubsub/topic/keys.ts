/**
 * The keys of one topic, all below `{namespace}/topic/{name}/`:
 *
 * | key | holds |
 * |---|---|
 * | `h` | the head: the number of the segment that is open. Its mod revision guards every message |
 * | `t` | the description: how many partitions (never changed), and what is retained |
 * | `s/<segment>` | a segment; its create revision is where the segment begins |
 * | `m/<partition>/<segment>/<frame>` | what one publisher put into a partition in one revision (frame-name.ts) |
 * | `b/<partition>` | up to where retention has removed the partition, and how many messages in all |
 * | `k` | the keeper, leased; its create revision is its term |
 * | `g/<group>/m/<member>` | a member of a group, leased |
 * | `g/<group>/o/<partition>` | who owns a partition, on the owner's lease; its create revision is the owner's term |
 * | `g/<group>/s` | written whenever somebody has moved all cursors of the group |
 * | `g/<group>/s/<partition>` | the same for one of them |
 * | `c/<group>/<partition>` | the cursor |
 * | `D/<group>/<partition>/<revision>.<index>` | a dead letter |
 *
 * A member watches `g/<group>/` alone, in which nothing is written while messages are worked on.
 */
import { hexRevision, type Key, type KeyRange, prefixRange, segmentOf } from '../../store/index.js';

const partitionDigits = 4;
const segmentDigits = 8;

/** A number in so many hexadecimal digits, so that keys sort as their numbers do. */
function hex(number: number, digits: number): string {
  return number.toString(16).padStart(digits, '0');
}

/** Undefined for what is no such number. */
function numberIn(text: string): number | undefined {
  return /^[0-9a-f]+$/.test(text) ? Number.parseInt(text, 16) : undefined;
}

export class TopicKeys {
  readonly prefix: Key;
  readonly head: Key;
  readonly description: Key;
  readonly keeper: Key;
  readonly segments: Required<KeyRange>;
  readonly removals: Required<KeyRange>;

  constructor(prefix: Key) {
    this.prefix = prefix;
    this.head = `${prefix}h`;
    this.description = `${prefix}t`;
    this.keeper = `${prefix}k`;
    this.segments = prefixRange(`${prefix}s/`);
    this.removals = prefixRange(`${prefix}b/`);
  }

  segment(number: number): Key {
    return `${this.segments.key}${hex(number, segmentDigits)}`;
  }

  /** Undefined for a key that is no segment's. */
  segmentOf(key: Key): number | undefined {
    return numberIn(key.slice(this.segments.key.length));
  }

  /** All that is in a partition. */
  partition(partition: number): Required<KeyRange> {
    return prefixRange(`${this.prefix}m/${hex(partition, partitionDigits)}/`);
  }

  /** What a segment has of a partition. */
  framesOf(partition: number, segment: number): Required<KeyRange> {
    return prefixRange(`${this.partition(partition).key}${hex(segment, segmentDigits)}/`);
  }

  removal(partition: number): Key {
    return `${this.removals.key}${hex(partition, partitionDigits)}`;
  }

  group(name: string): GroupKeys {
    return new GroupKeys(this.prefix, name);
  }
}

export class GroupKeys {
  /** Members, owners, and the sign that cursors were moved. */
  readonly watched: Required<KeyRange>;
  readonly members: Required<KeyRange>;
  readonly owners: Required<KeyRange>;
  readonly moved: Key;
  readonly movedOnes: Required<KeyRange>;
  readonly cursors: Required<KeyRange>;
  readonly deadLetters: Required<KeyRange>;

  constructor(prefix: Key, name: string) {
    const group = segmentOf(name);
    this.watched = prefixRange(`${prefix}g/${group}/`);
    this.members = prefixRange(`${this.watched.key}m/`);
    this.owners = prefixRange(`${this.watched.key}o/`);
    this.moved = `${this.watched.key}s`;
    this.movedOnes = prefixRange(`${this.watched.key}s/`);
    this.cursors = prefixRange(`${prefix}c/${group}/`);
    this.deadLetters = prefixRange(`${prefix}D/${group}/`);
  }

  member(id: string): Key {
    return `${this.members.key}${id}`;
  }

  memberIn(key: Key): string {
    return key.slice(this.members.key.length);
  }

  owner(partition: number): Key {
    return `${this.owners.key}${hex(partition, partitionDigits)}`;
  }

  /** Undefined for a key that is no owner's. */
  partitionIn(key: Key): number | undefined {
    return numberIn(key.slice(this.owners.key.length));
  }

  movedOf(partition: number): Key {
    return `${this.movedOnes.key}${hex(partition, partitionDigits)}`;
  }

  /** Undefined for a key that is none of {@link movedOnes}. */
  movedIn(key: Key): number | undefined {
    return numberIn(key.slice(this.movedOnes.key.length));
  }

  cursor(partition: number): Key {
    return `${this.cursors.key}${hex(partition, partitionDigits)}`;
  }

  deadLetter(partition: number, at: { readonly revision: number; readonly index: number }): Key {
    const place = `${hexRevision(at.revision)}.${hex(at.index, partitionDigits)}`;
    return `${this.deadLettersOf(partition).key}${place}`;
  }

  deadLettersOf(partition: number): Required<KeyRange> {
    return prefixRange(`${this.deadLetters.key}${hex(partition, partitionDigits)}/`);
  }
}
