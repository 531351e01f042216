export { openEtcd3Store } from './open.js';
export type { Etcd3StoreOptions } from './options.js';
