import { bytesOf, type KeyValue, textOf } from '../store/index.js';

/** What the key of a member says, for people. Nothing that changes while it stands. */
export interface MemberRecord {
  /** The session that it goes with. */
  readonly session: string;
  /** The label of its client. */
  readonly label: string;
}

export function encodeMember(record: MemberRecord): Uint8Array {
  return bytesOf(JSON.stringify(record));
}

/** The label of a member; empty for what no member says. */
export function labelIn({ value }: Pick<KeyValue, 'value'>): string {
  try {
    const { label } = JSON.parse(textOf(value)) as Partial<Record<keyof MemberRecord, unknown>>;
    return typeof label === 'string' ? label : '';
  } catch {
    return '';
  }
}
