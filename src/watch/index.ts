export type { HubItem, Subscription } from './shared-watch.js';
export { type SubscribeRequest, WatchHub, type WatchHubOptions } from './watch-hub.js';
