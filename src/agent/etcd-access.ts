import { readFile } from 'node:fs/promises';
import { invalidArgument } from '../errors.js';
import type { Etcd3StoreOptions } from '../etcd3/index.js';

/** Files that say how etcd is to be reached: paths of PEM, and of a password. */
export interface EtcdAccess {
  /** Undefined: no TLS, unless the hosts are `https://`. */
  readonly cacert: string | undefined;
  readonly serverName: string | undefined;
  readonly client?: { readonly cert: string; readonly key: string };
  readonly login?: { readonly user: string; readonly passwordFile: string };
}

/** Reads them anew at each call, so that files that are renewed are taken. Rejects with `invalid-argument` for what cannot be read. */
export async function readAccess(
  access: EtcdAccess,
): Promise<Pick<Etcd3StoreOptions, 'credentials' | 'auth'>> {
  const { cacert, serverName, client, login } = access;
  const rootCertificate = cacert === undefined ? undefined : await contentOf('--cacert', cacert);
  const own = client && {
    certChain: await contentOf('--cert', client.cert),
    privateKey: await contentOf('--key', client.key),
  };
  const named = serverName === undefined ? {} : { serverName };
  return {
    ...(rootCertificate === undefined ? {} : { credentials: { rootCertificate, ...named, ...own } }),
    ...(login === undefined ? {} : { auth: { username: login.user, password: await passwordOf(login) } }),
  };
}

/** Files of one line mostly end with one; the password itself may begin and end with spaces. */
async function passwordOf({ passwordFile: path }: NonNullable<EtcdAccess['login']>): Promise<string> {
  const text = (await contentOf('--password-file', path)).toString('utf8');
  const password = text.replace(/\r?\n$/, '');
  if (password !== '' && !/[\r\n]/.test(password)) return password;
  throw invalidArgument(
    `the file of --password-file, ${path}, has no line or several`,
    'one line, the password',
  );
}

async function contentOf(option: string, path: string): Promise<Buffer> {
  let content: Buffer;
  try {
    content = await readFile(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw invalidArgument(`the file of ${option} cannot be read: ${why}`, 'the path of a file');
  }
  if (content.length > 0) return content;
  throw invalidArgument(`the file of ${option}, ${path}, is empty`, 'a file with content');
}
