/** Settings of the participants on Node, each found to suit it best. */
import type { Bulk } from './participant-loop.js';

/** Handlers at once in each consumer, for Quorate and for BullMQ. */
export const consumerConcurrency = 100;
export const quorateBulk: Bulk = { size: 500, callsAtOnce: 4 };
export const bullmqBulk: Bulk = { size: 500, callsAtOnce: 4 };
