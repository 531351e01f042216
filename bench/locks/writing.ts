/** Other traffic of the store while locks are measured: `endpoint writesPerSecond`, until it is ended. Says `ready` first. */

export async function writeSteadily(write: (number: number) => Promise<unknown>): Promise<void> {
  const perSecond = Number(process.argv[3]);
  await write(0);
  process.stdout.write('ready\n');
  const startMs = performance.now();
  // Not one after the other: the rate stays the same where the store is slow, as traffic of others does.
  for (let number = 1; ; number += 1) {
    const waitMs = startMs + (number / perSecond) * 1_000 - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    void write(number);
  }
}
