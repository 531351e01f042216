import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { invariant } from '../runtime/index.js';
import { wireSize } from './wire.js';

export type ServiceName = 'KV' | 'Watch' | 'Lease' | 'Cluster' | 'Maintenance' | 'Auth';

export type Protocol = Readonly<Record<ServiceName, ServiceDefinition<UntypedServiceImplementation>>>;

/** Requests whose size etcd limits: those that it would write to its log. */
const measured: ReadonlySet<string> = new Set([
  '/etcdserverpb.KV/Put',
  '/etcdserverpb.KV/DeleteRange',
  '/etcdserverpb.KV/Txn',
]);

/**
 * Reads etcd's service definitions from the proto files that ship with the npm package `etcd3`, wherever this
 * package's dependencies have been installed.
 */
export function loadProtocol(): Protocol {
  const manifest = createRequire(import.meta.url).resolve('etcd3/package.json');
  const loaded = loadSync(join(dirname(manifest), 'proto', 'rpc.proto'), { keepCase: true, arrays: true });
  const service = (name: ServiceName) => {
    const definition = loaded[`etcdserverpb.${name}`];
    invariant(definition !== undefined && !('format' in definition), `etcd's protocol has a service ${name}`);
    return withSizes(definition as ServiceDefinition<UntypedServiceImplementation>);
  };
  return {
    KV: service('KV'),
    Watch: service('Watch'),
    Lease: service('Lease'),
    Cluster: service('Cluster'),
    Maintenance: service('Maintenance'),
    Auth: service('Auth'),
  };
}

function withSizes(
  service: ServiceDefinition<UntypedServiceImplementation>,
): ServiceDefinition<UntypedServiceImplementation> {
  return Object.fromEntries(
    Object.entries(service).map(([name, method]) => {
      if (!measured.has(method.path)) return [name, method];
      const requestDeserialize = (bytes: Buffer) =>
        Object.assign(method.requestDeserialize(bytes) as object, { [wireSize]: bytes.length });
      return [name, { ...method, requestDeserialize }];
    }),
  );
}
