#!/usr/bin/env node
import { ConfigAgent, type ConfigAgentEvent } from '../config/index.js';
import { isQuorateError } from '../errors.js';
import { openEtcd3Store } from '../etcd3/index.js';
import { Client } from '../session/index.js';
import { parseCommandLine, usage } from './command-line.js';
import { readAccess } from './etcd-access.js';

/** 2 is what shells and their tools answer to options that they do not know. */
function fail(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(isQuorateError(error, 'invalid-argument') ? 2 : 1);
}

function lineOf(event: ConfigAgentEvent): string {
  if (event.type === 'command-ended') {
    const { exitCode, endedBy, error, output } = event.run;
    const told = output.trim();
    const end = error?.message ?? endedBy ?? String(exitCode);
    return `${event.type} ${end}${told === '' ? '' : `: ${told}`}`;
  }
  const { type, ...rest } = event;
  const fields = Object.entries(rest).map(([name, value]) => {
    const text = value instanceof Error ? value.message : JSON.stringify(value);
    return `${name}=${text}`;
  });
  return [type, ...fields].join(' ');
}

function main(): void {
  const command = parseCommandLine(process.argv.slice(2), process.env);
  if (command.kind === 'help') {
    process.stdout.write(usage);
    return;
  }
  const { hosts, access } = command;
  const agent = ConfigAgent.start(command.config, {
    ...command.options,
    connect: async () => {
      const store = await openEtcd3Store({ hosts, ...(await readAccess(access)) });
      return Client.open({ store, closeStore: true, namespace: command.options.namespace ?? 'quorate' });
    },
    onEvent: (event) => {
      process.stdout.write(`${lineOf(event)}\n`);
      if (event.type === 'failed') agent.close().then(() => fail(event.error), fail);
    },
  });
  const interrupted = () => {
    agent.close().then(() => process.exit(0), fail);
  };
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
}

try {
  main();
} catch (error) {
  fail(error);
}
