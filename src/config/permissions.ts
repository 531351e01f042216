import { invalidArgument, shown } from '../errors.js';
import { checkName, type Key, type Keyspace, keyOf, prefixRange } from '../store/index.js';
import { checkMethods, checkObject } from './arguments.js';
import { ConfigKeys } from './keys.js';

export interface ConfigPermissionsRequest {
  /**
   * - `read`: to be a `Config`.
   * - `propose`: to read everything, and to propose and vote as `author`, and in nobody else's name.
   * - `publish`: to change `documents`, or all, by whatever way their policies leave; to publish what is proposed.
   * - `administer`: everything, policies too.
   */
  readonly to: 'read' | 'propose' | 'publish' | 'administer';
  /** Names of documents, for `publish`. Default: all there are and will be. */
  readonly documents?: readonly string[] | undefined;
  /** For `propose`: the author that the user of the role is in editors. */
  readonly author?: string | undefined;
}

/** What a role must be granted. Keys are byte strings, as everywhere in this library. */
export interface ConfigPermission {
  readonly permission: 'Read' | 'Readwrite';
  readonly key: Key;
  /** Absent: the key alone. */
  readonly rangeEnd?: Key;
}

/** Of the npm package etcd3, `etcd.auth`: what is used of it. */
export interface RoleAdministration {
  roleAdd(request: { name?: string }): Promise<unknown>;
  roleGrantPermission(request: {
    name?: string;
    /** Wider than what is given: the types of etcd3 are, and those of Node are not everybody's. */
    perm?: { permType?: string | number; key?: Uint8Array; range_end?: Uint8Array };
  }): Promise<unknown>;
}

/**
 * The ranges of keys that somebody needs, for a role of etcd's. Every client writes its lanes, so those are part of each.
 *
 * etcd guards keys, and not what is written there: who may publish a document can write it past the review, with another program. Who
 * may only propose cannot, nor vote in the name of another. Throws `invalid-argument`.
 */
export function configPermissions(
  keyspace: Keyspace,
  name: string,
  request: ConfigPermissionsRequest,
): readonly ConfigPermission[] {
  checkMethods(keyspace, 'keyspace', ['prefix', 'typePrefix'], 'a Keyspace');
  checkObject(request, 'request', 'an object with to, and documents or author');
  const keys = new ConfigKeys(keyspace.prefix('config', name));
  const lanes: ConfigPermission = { permission: 'Readwrite', ...prefixRange(keyspace.typePrefix('lane')) };
  return [lanes, ...needed(keys, request)];
}

function needed(keys: ConfigKeys, { to, documents, author }: ConfigPermissionsRequest): ConfigPermission[] {
  const read = (prefix: Key): ConfigPermission => ({ permission: 'Read', ...prefixRange(prefix) });
  const write = (prefix: Key): ConfigPermission => ({ permission: 'Readwrite', ...prefixRange(prefix) });
  const writeKey = (key: Key): ConfigPermission => ({ permission: 'Readwrite', key });
  switch (to) {
    case 'read':
      return [read(keys.live)];
    case 'propose':
      checkName(author, 'author');
      return [read(keys.prefix), write(keys.reviewsOf(author))];
    case 'publish':
      if (documents !== undefined) checkNames(documents);
      return [
        read(keys.prefix),
        write(keys.reviews),
        writeKey(keys.stamp),
        ...(documents === undefined
          ? [
              write(`${keys.live}c/`),
              write(`${keys.live}r/`),
              write(`${keys.prefix}head/`),
              write(`${keys.prefix}history/`),
            ]
          : documents.flatMap((document) => [
              ...[write(keys.layers(document)), writeKey(keys.rollout(document))],
              ...[writeKey(keys.head(document)), write(keys.histories(document))],
            ])),
      ];
    case 'administer':
      return [write(keys.prefix)];
    default:
      throw invalidArgument(`to is ${shown(to)}`, 'read, propose, publish or administer');
  }
}

function checkNames(documents: unknown): void {
  if (!Array.isArray(documents)) {
    throw invalidArgument(`documents is ${shown(documents)}`, 'an array of names of documents, or none');
  }
  for (const document of documents) checkName(document, 'a name in documents');
}

/**
 * Makes a role that has these permissions, by `etcd.auth` of the npm package etcd3, as a user who may. One request for the role and one
 * for each permission. Rejects with what that does; a role that is there already is not made again by it.
 */
export async function grantConfigRole(
  auth: RoleAdministration,
  role: string,
  permissions: readonly ConfigPermission[],
): Promise<void> {
  checkName(role, 'role');
  await auth.roleAdd({ name: role });
  for (const { permission, key, rangeEnd = '' } of permissions) {
    const bytes = (text: Key) => Buffer.from(text, 'latin1');
    const perm = { permType: permission, key: bytes(key), range_end: bytes(rangeEnd) };
    await auth.roleGrantPermission({ name: role, perm });
  }
}

/** The same as commands for etcdctl, one a line. */
export function etcdctlCommands(role: string, permissions: readonly ConfigPermission[]): readonly string[] {
  checkName(role, 'role');
  const grants = permissions.map(({ permission, key, rangeEnd }) => {
    const end = rangeEnd === undefined ? [] : [quoted(rangeEnd)];
    return [
      'etcdctl role grant-permission',
      quoted(keyOf(role)),
      permission.toLowerCase(),
      quoted(key),
      ...end,
    ].join(' ');
  });
  return [`etcdctl role add ${quoted(keyOf(role))}`, ...grants];
}

/** For a shell. The keys of this library are ASCII but for the name of a role. */
function quoted(text: Key): string {
  return `'${Buffer.from(text, 'latin1').toString('utf8').replaceAll("'", "'\\''")}'`;
}
