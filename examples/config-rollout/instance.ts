/** One of many instances of a service: reads its configuration, and tells the runner each time that it is given another. */
import { Config } from 'quorate/config';
import { command, connect, main, report, settings } from '../support/inside-process.js';
import { batching, configuration, documents, fitTogether, timeouts } from './documents.js';

await main(async () => {
  const client = await connect();
  const instance = { id: settings.label };
  const config = await Config.open(client, configuration, { documents, instance, proveEveryMs: 500 });
  let misfits = 0;
  const tell = () => {
    const { snapshot } = config;
    const [batch, timeout] = [snapshot.get(batching), snapshot.get(timeouts)];
    if (!fitTogether(batch, timeout)) misfits += 1;
    const { rollout = '' } = snapshot.view(batching);
    report({ type: 'given', revision: snapshot.revision, size: batch?.size ?? 0, rollout });
  };
  tell();
  config.onUpdate(tell);
  const stopped = command('stop');
  // A process that stands still does not look either: so the oldest that it noticed is what it knew when it woke up.
  let oldestMs = 0;
  const look = setInterval(() => {
    oldestMs = Math.max(oldestMs, config.stalenessMs);
  }, 20);
  await stopped;
  clearInterval(look);
  report({ type: 'end', misfits, oldestMs });
  await config.close();
  await client.close();
});
