/** What every job carries, the same for all: 200 characters that begin with its number. */
export const payloadBytes = 200;
const digits = 8;
const filling = 'x'.repeat(payloadBytes - digits - 1);

export function payloadOf(job: number): string {
  return `${String(job).padStart(digits, '0')} ${filling}`;
}

export function jobOf(payload: string): number {
  return Number(payload.slice(0, digits));
}
