/** The code table of the example: what stands in it, and how two copies of it are compared. */
import { createHash } from 'node:crypto';
import type { ReplicatedMap } from 'quorate/config';

/** A tariff code, and with which edition of its family it was published. */
export interface Code {
  readonly text: string;
  readonly dutyPercent: number;
  readonly edition: number;
}

export type CodeTable = ReplicatedMap<string, Code>;

const families = 40;
const codesEach = 50;

/** The codes of each family, which are only ever published together. */
export const codesOf: readonly (readonly string[])[] = Array.from({ length: families }, (_family, family) =>
  Array.from({ length: codesEach }, (_code, code) => `${100 + family}.${String(code).padStart(2, '0')}`),
);

export function codeOf(name: string, edition: number): Code {
  return { text: `goods of heading ${name}`, dutyPercent: (edition * 7) % 25, edition };
}

/** The same for tables that are the same, whatever order they are held in. */
export function digestOf(table: CodeTable): string {
  const rows = [...table].sort(([one], [other]) => (one < other ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(rows)).digest('hex');
}
