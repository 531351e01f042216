/** How revisions, times and lives are told to people. */
import type { Life } from './history.js';

export function atTime(ms: number | undefined): string {
  return ms === undefined ? '' : ` at ${milliseconds(ms)}`;
}

export function milliseconds(ms: number): string {
  return `${Number(ms.toFixed(3))} ms`;
}

export function describeLife({ key, from, to, lease, fromMs, toMs }: Life): string {
  const end = Number.isFinite(to)
    ? `deleted at revision ${to}${inBrackets(toMs)}`
    : 'still standing at the end';
  const leased = lease === '0' ? 'without a lease' : `on lease ${lease}`;
  return `${key} (created at revision ${from}${inBrackets(fromMs)}, ${leased}, ${end})`;
}

function inBrackets(ms: number | undefined): string {
  return ms === undefined ? '' : ` [${milliseconds(ms)}]`;
}
