/** As for the queue's own property, whose parts are told in queue/run.ts. */
export const livenessMs = 156_000;
/** Requests may arrive so late. */
export const afterlifeMs = 7_000;
