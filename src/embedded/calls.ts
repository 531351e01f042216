import type { handleServerStreamingCall, handleUnaryCall, ServerErrorResponse } from '@grpc/grpc-js';
import { refusalOf, streamError, unimplemented } from './refusals.js';

/** A method whose answer is computed at once. What it throws becomes the call's status. */
export function unary<Request>(answer: (request: Request) => object): handleUnaryCall<Request, object> {
  return (call, callback) => {
    let reply: object;
    try {
      reply = answer(call.request);
    } catch (error) {
      callback(refusalOf(error) as ServerErrorResponse);
      return;
    }
    callback(null, reply);
  };
}

/** A method that this server does not have. */
export function notOffered(what: string): handleUnaryCall<unknown, object> {
  return unary(() => unimplemented(`${what} is not offered`));
}

/** A streaming method that this server does not have. */
export function streamNotOffered(what: string): handleServerStreamingCall<unknown, object> {
  return (call) => {
    try {
      unimplemented(`${what} is not offered`);
    } catch (error) {
      call.emit('error', streamError(refusalOf(error)));
    }
  };
}
