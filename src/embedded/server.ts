import { Server as GrpcServer, type Server, ServerCredentials } from '@grpc/grpc-js';
import { Engine, type EngineOptions } from '../engine/index.js';
import { invalidArgument, QuorateError, shown } from '../errors.js';
import { type Runtime, systemRuntime } from '../runtime/index.js';
import { authService, clusterService, maintenanceService } from './cluster-services.js';
import { kvService, maxTxnOperations } from './kv-service.js';
import { LeaseClock } from './lease-clock.js';
import { type LeaseServiceContext, leaseService, newLeaseId } from './lease-service.js';
import { Member, newIdentity } from './member.js';
import { OpenStreams } from './open-streams.js';
import { loadProtocol } from './protocol.js';
import { refusals } from './refusals.js';
import { fingerprint, readSnapshot, type SnapshotContents } from './snapshot-file.js';
import { SnapshotKeeper } from './snapshot-keeper.js';
import { type WatchCall, WatchStream, type WatchStreamContext } from './watch-stream.js';

export interface EmbeddedOptions {
  /** Default 0: any free one. */
  port?: number | undefined;
  /** A loopback address: `127.0.0.1` (default), `::1` or `localhost`, which is `127.0.0.1`. */
  host?: string | undefined;
  /** Restored at the start if it exists; written at the end and, at most once a second, after changes. Default: none. */
  snapshotFile?: string | undefined;
  /** How often a quiet watch with `progress_notify` is told the revision. Default 600,000, as etcd. */
  progressNotifyMs?: number | undefined;
  runtime?: Runtime | undefined;
}

/** A running server. */
export interface EmbeddedServer {
  /** `host:port`, for any etcd v3 client. */
  readonly endpoint: string;
  readonly port: number;
  /**
   * Ends open calls and streams, frees the port and writes the snapshot. Idempotent. Takes about as long as the
   * snapshot, and at most half a second more for clients that do not read. Rejects with `unavailable` if the
   * snapshot cannot be written; the port is free then, too.
   */
  close(): Promise<void>;
}

const hosts = new Map([
  ['127.0.0.1', '127.0.0.1'],
  ['localhost', '127.0.0.1'],
  ['::1', '[::1]'],
]);
/** etcd's room for what gRPC puts around a request. */
const receiveLimitBytes = 2 * 1024 * 1024;
/** Clients that do not read within so long are cut off at the end. */
const closeGraceMs = 300;

/**
 * Starts an etcd-compatible server (v3 API, as of etcd 3.4) in this process, on loopback, without authentication
 * and TLS. It is for development and tests on one machine: one member, all data in memory.
 *
 * Guaranteed: the order, revisions and error codes of etcd; a snapshot file holds one whole state. Not guaranteed:
 * that a write survives the process; with a snapshot file, those of the last second or so may be lost by a crash,
 * and none by `close()`.
 *
 * Errors by code: `invalid-argument` (options; a host that is not loopback), `unavailable` (port in use, snapshot
 * file cannot be read), `codec` (snapshot file damaged or not one).
 */
export async function startEmbedded(options: EmbeddedOptions = {}): Promise<EmbeddedServer> {
  const { runtime = systemRuntime, snapshotFile } = options;
  const { host, port, progressNotifyMs } = checkOptions(options);
  // Before reading: a file that changes in between then counts as another's.
  const found = snapshotFile === undefined ? undefined : await fingerprint(snapshotFile);
  const restored = snapshotFile === undefined ? undefined : await readSnapshot(snapshotFile);
  const { engine, member } = begin(restored, runtime);
  let leaseChanges = 0;
  const onChange = () => {
    leaseChanges += 1;
  };
  const streams = new OpenStreams();
  const server = serve({ engine, member, runtime, streams, onChange, progressNotifyMs });
  const boundPort = await bind(server, host, port);
  member.clientUrl = `http://${host}:${boundPort}`;
  const leaseClock = new LeaseClock(engine, runtime, onChange);
  const stamp = () => `${engine.revision} ${engine.compactRevision} ${leaseChanges}`;
  const keeper =
    snapshotFile === undefined
      ? undefined
      : new SnapshotKeeper({
          runtime,
          file: snapshotFile,
          stamp,
          contents: () => ({ identity: member.identity, engine: engine.snapshot() }),
          found,
        });
  const stop = async () => {
    leaseClock.close();
    streams.endAll(refusals.stopped);
    await shutDown(server, runtime);
    await keeper?.close();
  };
  let stopped: Promise<void> | undefined;
  return {
    endpoint: `${host}:${boundPort}`,
    port: boundPort,
    close() {
      stopped ??= stop();
      return stopped;
    },
  };
}

/** A gRPC server with etcd's services over the engine, not listening yet. */
function serve(context: LeaseServiceContext & WatchStreamContext): Server {
  const { engine, member, streams } = context;
  const server = new GrpcServer({
    'grpc.max_receive_message_length': receiveLimitBytes,
    'grpc.max_send_message_length': -1,
    'grpc.enable_channelz': 0,
  });
  const protocol = loadProtocol();
  server.addService(protocol.KV, kvService(engine, member));
  server.addService(protocol.Watch, {
    Watch: (call: WatchCall) => {
      streams.add(call);
      new WatchStream(call, context);
    },
  });
  server.addService(protocol.Lease, leaseService(context));
  server.addService(protocol.Cluster, clusterService(engine, member));
  server.addService(protocol.Maintenance, maintenanceService(engine, member));
  server.addService(protocol.Auth, authService(engine, member));
  return server;
}

/** A fresh engine, or the one that the snapshot holds, in a new term and with its leases' full TTLs. */
function begin(
  restored: SnapshotContents | undefined,
  runtime: Runtime,
): { readonly engine: Engine; readonly member: Member } {
  const options: EngineOptions = {
    maxTxnOps: maxTxnOperations,
    // Measured on the wire, where it is exact.
    maxRequestBytes: Number.POSITIVE_INFINITY,
    newLeaseId: () => newLeaseId(runtime),
  };
  if (restored === undefined) {
    return { engine: new Engine(options), member: new Member(newIdentity(runtime)) };
  }
  const { identity } = restored;
  return {
    engine: Engine.restore(restored.engine, runtime.monotonicMs(), options),
    member: new Member({ ...identity, raftTerm: identity.raftTerm + 1 }),
  };
}

function checkOptions(options: EmbeddedOptions): { host: string; port: number; progressNotifyMs: number } {
  const { port = 0, host: named = '127.0.0.1', progressNotifyMs = 600_000, snapshotFile } = options;
  const host = hosts.get(named);
  if (host === undefined) {
    throw invalidArgument(
      `host is ${JSON.stringify(named)}: the embedded server has no authentication and serves one machine only`,
      [...hosts.keys()].join(', '),
    );
  }
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw invalidArgument(`port is ${shown(port)}`, 'a whole number from 0 to 65535');
  }
  if (!(typeof progressNotifyMs === 'number' && progressNotifyMs >= 100)) {
    throw invalidArgument(`progressNotifyMs is ${shown(progressNotifyMs)}`, 'a number from 100');
  }
  if (snapshotFile !== undefined && (typeof snapshotFile !== 'string' || snapshotFile === '')) {
    throw invalidArgument(`snapshotFile is ${JSON.stringify(snapshotFile)}`, 'the name of a file, or none');
  }
  return { host, port, progressNotifyMs };
}

async function bind(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) {
        resolve(bound);
        return;
      }
      const why = error.message.includes('EADDRINUSE') ? 'is in use' : 'cannot be listened on';
      reject(
        new QuorateError('unavailable', `port ${port} of ${host} ${why}`, {
          cause: error,
          details: { host, port },
        }),
      );
    });
  });
}

/** Lets answers that are on their way leave, and then cuts what is still open. */
async function shutDown(server: Server, runtime: Runtime): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = runtime.setTimer(closeGraceMs, () => {
      server.forceShutdown();
      resolve();
    });
    server.tryShutdown(() => {
      timer.cancel();
      resolve();
    });
  });
}
