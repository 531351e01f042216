import { readFile } from 'node:fs/promises';

/** What Linux counts processor time in, on every machine that Node runs on. */
const clockTickMs = 10;

/**
 * Milliseconds of processor time that a process has used so far, of all its threads and of the children it has waited for; not a
 * number where the system does not tell.
 */
export async function processorMs(pid: number | undefined): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The second field is the program's name in brackets, and may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return stat === '' ? Number.NaN : ticks * clockTickMs;
}
