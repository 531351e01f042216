import type { TestProject } from 'vitest/node';
import { type EtcdProcess, findEtcd, startEtcd } from './etcd-process.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** `host:port` of the real etcd of this run; empty where there is none. */
    etcdEndpoint: string;
  }
}

/** Starts one real etcd for the whole run, or says loudly that there is none. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const binary = findEtcd();
  if (binary === undefined) {
    if (process.env['CI']) throw new Error('no etcd binary found: CI must install one (Debian: etcd-server)');
    process.stderr.write(
      '\n*** NO REAL ETCD FOUND: every test against a real etcd is LEFT OUT. ***\n' +
        '*** Install one (Debian: apt-get install etcd-server), or set QUORATE_ETCD to its path. ***\n\n',
    );
    project.provide('etcdEndpoint', '');
    return async () => {};
  }
  const etcd: EtcdProcess = await startEtcd(binary);
  project.provide('etcdEndpoint', etcd.endpoint);
  return () => etcd.stop();
}
