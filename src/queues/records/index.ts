/** What the values under a queue's keys look like. Anything else found there is refused with `codec`. */
export * from './assignment.js';
export * from './beat.js';
export * from './control.js';
export * from './credit.js';
export * from './dead-letter.js';
export * from './item.js';
export * from './presence.js';
export * from './schedule.js';
export * from './take-back.js';
