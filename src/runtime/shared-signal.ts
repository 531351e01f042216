import { setMaxListeners } from 'node:events';
import { allowHooks } from './abort-hooks.js';

/**
 * A controller whose signal many may listen to. Node.js takes more than ten listeners of one signal for a leak and
 * says so to the user; a signal that every hold and every call in flight of a process listens to has hundreds.
 */
export function sharedController(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  allowHooks(controller.signal);
  return controller;
}
