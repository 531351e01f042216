import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Engine } from '../engine/index.js';
import { notOffered, streamNotOffered, unary } from './calls.js';
import type { Member } from './member.js';
import { refusals, refuse, unimplemented } from './refusals.js';
import { numberFrom } from './requests.js';
import type { AlarmRequestMessage, RevisionRequestMessage } from './wire.js';

const alarmActivate = 1;

/** etcd's Cluster service: one member, which cannot be changed. */
export function clusterService(engine: Engine, member: Member): UntypedServiceImplementation {
  return {
    MemberList: unary(() => ({
      header: member.header(engine.revision),
      members: [{ ID: member.id, name: member.name, peerURLs: [], clientURLs: [member.clientUrl] }],
    })),
    MemberAdd: notOffered('a second member'),
    MemberRemove: notOffered('removing the only member'),
    MemberUpdate: notOffered('another peer address'),
    MemberPromote: notOffered('a second member'),
  };
}

/** etcd's Maintenance service, as far as a server without log, database file and peers can answer truly. */
export function maintenanceService(engine: Engine, member: Member): UntypedServiceImplementation {
  const header = () => member.header(engine.revision);
  return {
    Status: unary(() => ({
      header: header(),
      version: member.version,
      // There is no database file, so it has no size.
      dbSize: 0,
      dbSizeInUse: 0,
      leader: member.id,
      // There is no log either; every entry that it would have had is one revision.
      raftIndex: engine.revision,
      raftAppliedIndex: engine.revision,
      raftTerm: member.identity.raftTerm,
    })),
    Alarm: unary((message: AlarmRequestMessage) => {
      if (message.action === alarmActivate) unimplemented('raising an alarm is not offered');
      // None can be raised, so there is none to list or to disarm.
      return { header: header(), alarms: [] };
    }),
    // Nothing is fragmented: the data is in memory, and compaction frees it.
    Defragment: unary(() => ({ header: header() })),
    Hash: unary(() => ({ header: header(), hash: engine.hash() })),
    HashKV: unary((message: RevisionRequestMessage) => ({
      header: header(),
      hash: engine.hash(numberFrom(message.revision)),
      compact_revision: engine.compactRevision,
    })),
    Snapshot: streamNotOffered("a snapshot in etcd's file format"),
    MoveLeader: notOffered('another leader'),
    Downgrade: notOffered('another version'),
  };
}

/** etcd's Auth service of a server on which authentication is off and stays off. */
export function authService(engine: Engine, member: Member): UntypedServiceImplementation {
  const header = () => member.header(engine.revision);
  const noAuthentication = notOffered('authentication');
  return {
    AuthStatus: unary(() => ({ header: header(), enabled: false, authRevision: 1 })),
    AuthDisable: unary(() => ({ header: header() })),
    Authenticate: unary(() => refuse(refusals.authNotEnabled)),
    AuthEnable: noAuthentication,
    ...Object.fromEntries(
      ['User', 'Role'].flatMap((what) =>
        ['Add', 'Get', 'List', 'Delete'].map((verb) => [`${what}${verb}`, noAuthentication]),
      ),
    ),
    UserChangePassword: noAuthentication,
    UserGrantRole: noAuthentication,
    UserRevokeRole: noAuthentication,
    RoleGrantPermission: noAuthentication,
    RoleRevokePermission: noAuthentication,
  };
}
