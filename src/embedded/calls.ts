import type { handleUnaryCall, ServerErrorResponse } from '@grpc/grpc-js';
import { refusalOf, unimplemented } from './refusals.js';

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
