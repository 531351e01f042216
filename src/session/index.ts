export { checkClient } from './check-client.js';
export { Client, type OpenSessionRequest } from './client.js';
export type { ClientOptions } from './client-options.js';
export type { DelayLease } from './delay-lease.js';
export { Session, type SessionChange } from './session.js';
export type { EventLoopStall } from './stall-monitor.js';
export type { LostReason, SessionState, SuspectReason } from './state.js';
