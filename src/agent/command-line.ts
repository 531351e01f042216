import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { type ConfigAgentOptions, ConfigDocument } from '../config/index.js';
import { invalidArgument } from '../errors.js';
import type { EtcdAccess } from './etcd-access.js';

export const usage = `Usage: quorate-agent --config <name> --file <documents>=<path> --state <path> [options] [-- <program> [<word>...]]

Keeps local files as documents of a configuration are, until it is interrupted. What follows -- is run, without a shell, after
files were changed.

  --config <name>       the configuration
  --file <a,b>=<path>   a file: JSON of one document, or one object of several by their names; may be given again
  --state <path>        where the last known good is kept, for a start without etcd
  --endpoints <hosts>   of etcd, host:port joined by commas (default QUORATE_ENDPOINTS, or 127.0.0.1:2379)
  --namespace <name>    of the keys (default quorate)
  --scope <scope>       environment and cluster, as production/eu-1 (default the base alone)
  --instance <id>       who this is, for rollouts (default the host's name)
  --label <name=value>  of this instance, for rollouts; may be given again
  --mode <octal>        permission bits of the files (default 644)
  --status <path>       a file that tells how the agent stands
  --cacert <path>       PEM: who signed the certificates of etcd; the connection is encrypted
  --cert <path>         PEM: the certificate of this client, and
  --key <path>          PEM: its key; both, or neither
  --server-name <name>  that the certificates of etcd bear, where it is not that of the host
  --user <name>         of etcd
  --password-file <path>  its password: the file without the end of its line. There is no option for the password itself
  --help                show this text
`;

const defaultEndpoints = '127.0.0.1:2379';
const repeatable: ReadonlySet<string> = new Set(['file', 'label']);

export type Command =
  | { readonly kind: 'help' }
  | {
      readonly kind: 'run';
      readonly config: string;
      readonly hosts: readonly string[];
      readonly access: EtcdAccess;
      readonly options: Omit<ConfigAgentOptions, 'connect'>;
    };

/** Throws `invalid-argument` for what it does not know. */
export function parseCommandLine(
  words: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Command {
  const { values, positionals } = parse(words);
  if (values.help) return { kind: 'help' };
  const { namespace, scope, status: statusPath } = values;
  const mode = values.mode === undefined ? undefined : modeOf(values.mode);
  const documents = new Map<string, ConfigDocument<unknown>>();
  const files = (values.file ?? []).map((text) => {
    const [names, path] = halves(text, '--file', 'documents=path');
    const content = names.split(',').map((name) => {
      const document = documents.get(name) ?? new ConfigDocument<unknown>(name);
      documents.set(name, document);
      return document;
    });
    const [only] = content;
    return { path, mode, content: content.length === 1 && only !== undefined ? only : content };
  });
  if (files.length === 0)
    throw invalidArgument('there is no --file', 'at least one, as --file limits=/etc/limits.json');
  const labels = (values.label ?? []).map((text) => halves(text, '--label', 'name=value'));
  const [program, ...args] = positionals;
  return {
    ...{
      kind: 'run',
      config: needed(values.config, '--config'),
      hosts: hostsOf(values.endpoints, environment),
    },
    access: accessOf(values),
    options: {
      ...{ files, documents: [...documents.values()], namespace, scope, statusPath },
      lastKnownGoodPath: needed(values.state, '--state'),
      instance: { id: values.instance ?? hostname(), labels: Object.fromEntries(labels) },
      command: program === undefined ? undefined : { program, args },
    },
  };
}

function parse(words: readonly string[]) {
  const parsed = parseWords(words);
  if (parsed.values.help) return parsed;
  const given = new Set<string>();
  for (const token of parsed.tokens) {
    if (token.kind === 'option-terminator') break;
    if (token.kind === 'positional') {
      throw invalidArgument(
        `${JSON.stringify(token.value)} belongs to no option`,
        'the program to run after --',
      );
    }
    if (given.has(token.name) && !repeatable.has(token.name)) {
      throw invalidArgument(`${token.rawName} is given twice`, 'once');
    }
    given.add(token.name);
  }
  return parsed;
}

function parseWords(words: readonly string[]) {
  const text = { type: 'string' } as const;
  const texts = { type: 'string', multiple: true } as const;
  try {
    return parseArgs({
      ...{ args: [...words], allowPositionals: true, tokens: true },
      options: {
        ...{ config: text, file: texts, state: text, endpoints: text, namespace: text, scope: text },
        ...{ instance: text, label: texts, mode: text, status: text },
        ...{ cacert: text, cert: text, key: text, 'server-name': text, user: text, 'password-file': text },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw invalidArgument(error instanceof Error ? error.message : String(error), 'see --help');
  }
}

function hostsOf(
  given: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  const { QUORATE_ENDPOINTS: usual } = environment;
  const [name, endpoints] =
    given === undefined ? ['QUORATE_ENDPOINTS', usual ?? defaultEndpoints] : ['--endpoints', given];
  const hosts = endpoints.split(',');
  if (hosts.every((host) => host.trim() !== '')) return hosts;
  throw invalidArgument(`${name} is ${JSON.stringify(endpoints)}`, 'host:port, or several joined by commas');
}

function accessOf(values: Readonly<Record<string, unknown>>): EtcdAccess {
  const given = (name: string) =>
    values[name] === undefined ? undefined : needed(values[name] as string, `--${name}`);
  const [cacert, cert, key] = [given('cacert'), given('cert'), given('key')];
  const [serverName, user, passwordFile] = [given('server-name'), given('user'), given('password-file')];
  if ((cert === undefined) !== (key === undefined)) {
    throw invalidArgument('there is only one of --cert and --key', 'both, or neither');
  }
  if (cacert === undefined && (cert !== undefined || serverName !== undefined)) {
    throw invalidArgument('there is --cert or --server-name, and no --cacert', 'them with --cacert');
  }
  if ((user === undefined) !== (passwordFile === undefined)) {
    throw invalidArgument('there is only one of --user and --password-file', 'both, or neither');
  }
  if (user?.includes(':')) {
    throw invalidArgument('--user has a colon', 'a name; the password in a file, as --password-file <path>');
  }
  return {
    ...{ cacert, serverName },
    ...(cert === undefined || key === undefined ? {} : { client: { cert, key } }),
    ...(user === undefined || passwordFile === undefined ? {} : { login: { user, passwordFile } }),
  };
}

function needed(value: string | undefined, name: string): string {
  if (value === undefined || value === '') throw invalidArgument(`there is no ${name}`, 'see --help');
  return value;
}

function halves(text: string, name: string, accepted: string): readonly [string, string] {
  const at = text.indexOf('=');
  if (at <= 0 || at === text.length - 1)
    throw invalidArgument(`${name} is ${JSON.stringify(text)}`, accepted);
  return [text.slice(0, at), text.slice(at + 1)];
}

function modeOf(text: string): number {
  if (!/^[0-7]{3,4}$/.test(text))
    throw invalidArgument(`--mode is ${JSON.stringify(text)}`, 'octal digits, as 640');
  return Number.parseInt(text, 8);
}
