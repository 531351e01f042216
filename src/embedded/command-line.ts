import { parseArgs } from 'node:util';
import { invalidArgument } from '../errors.js';

export const defaultPort = 2379;

export const usage = `Usage: quorate-embedded [--port <number>] [--host <address>] [--snapshot <file>]

Runs an etcd-compatible server on this machine until it is interrupted. For development and tests:
one member, in memory, without authentication and TLS.

  --port <number>    TCP port; 0 takes any free one (default ${defaultPort})
  --host <address>   loopback address to listen on: 127.0.0.1, ::1 or localhost (default 127.0.0.1)
  --snapshot <file>  restore the state from this file, if it exists, and keep it there
  --help             show this text
`;

export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'run'; readonly port: number; readonly host?: string; readonly snapshotFile?: string };

/** Throws `invalid-argument` for what it does not know. */
export function parseCommandLine(words: readonly string[]): Command {
  const { values } = parse(words);
  if (values.help) return { kind: 'help' };
  const port = values.port === undefined ? defaultPort : portOf(values.port);
  return {
    kind: 'run',
    port,
    ...(values.host !== undefined && { host: values.host }),
    ...(values.snapshot !== undefined && { snapshotFile: values.snapshot }),
  };
}

function parse(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      options: {
        port: { type: 'string' },
        host: { type: 'string' },
        snapshot: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw invalidArgument(error instanceof Error ? error.message : String(error), 'see --help');
  }
}

function portOf(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) {
    throw invalidArgument(`--port is ${JSON.stringify(text)}`, 'a whole number from 0 to 65535');
  }
  return port;
}
