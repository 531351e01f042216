export type { Hold } from './hold.js';
export { Mutex } from './mutex.js';
export type { MutexOptions } from './mutex-options.js';
