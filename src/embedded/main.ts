#!/usr/bin/env node
import { isQuorateError } from '../errors.js';
import { parseCommandLine, usage } from './command-line.js';
import { startEmbedded } from './server.js';

/** 2 is what shells and their tools answer to options that they do not know. */
function fail(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(isQuorateError(error, 'invalid-argument') ? 2 : 1);
}

async function main(): Promise<void> {
  const command = parseCommandLine(process.argv.slice(2));
  if (command.kind === 'help') {
    process.stdout.write(usage);
    return;
  }
  const { kind: _, ...options } = command;
  const server = await startEmbedded(options);
  const interrupted = () => {
    server.close().then(() => process.exit(0), fail);
  };
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  process.stdout.write(`Quorate's embedded etcd listens on ${server.endpoint}\n`);
}

main().catch(fail);
