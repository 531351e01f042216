/** One collector: follows the sources whose assignments it is handed, as a member of the group of all collectors. */
import { isQuorateError, systemRuntime, Topic } from 'quorate';
import { command, connect, holdable, main, report } from '../support/inside-process.js';
import { type Assignment, groupName, partitions, topicName } from './assignment.js';

/** As long as it takes to follow a source in another way. */
const changeMs = 10;

await main(async () => {
  const client = await connect();
  const topic = new Topic<Assignment>(client, topicName, { partitions });
  const unlessHeld = holdable();
  const consumer = await topic.group(groupName).consume(
    async (message) => {
      const { source, version } = message.value;
      report({ type: 'begin', source, version });
      await new Promise<void>((resolve) => systemRuntime.setTimer(changeMs, resolve));
      await unlessHeld();
      try {
        await message.ack();
        report({ type: 'acknowledged', source, version });
      } catch (error) {
        // Another collector follows the source by now.
        report({
          type: 'refused',
          source,
          version,
          code: isQuorateError(error) ? error.code : String(error),
        });
      }
    },
    {
      ack: 'manual',
      onEvent: (event) => {
        if (event.type === 'claimed') report({ type: 'claimed', partition: event.partition });
        if (event.type === 'error') console.error('collector:', event.error);
      },
    },
  );
  report({ type: 'ready' });
  await command('stop');
  await consumer.close();
  await topic.close();
  await client.close();
});
