export { Engine, type EngineOptions } from './engine.js';
export type { EngineSnapshot, VersionSnapshot } from './snapshot.js';
export type { EngineWatch, EngineWatchItem, WatchSink } from './watchers.js';
