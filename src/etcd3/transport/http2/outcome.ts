/** What the headers, trailers and error codes of HTTP/2 say of a call. */
import { CallError, status } from '../transport.js';
import { errorCode } from './frames.js';
import type { Headers } from './header-decoder.js';

/** The end of a call that the server has told: undefined for success. */
export type Outcome = CallError | undefined;

export function failure(grpcCode: number, details: string, neverSent = false): CallError {
  return new CallError({ grpcCode, details, neverSent });
}

/** By the last headers of a stream, which are the first where there was nothing else to say. */
export function outcomeOf(headers: Headers): Outcome {
  const text = headers.get('grpc-status');
  if (text === undefined) return failure(status.unknown, 'the server ended the call without a status');
  const code = /^\d{1,9}$/.test(text) ? Number(text) : status.unknown;
  return code === status.ok ? undefined : failure(code, percentDecoded(headers.get('grpc-message') ?? ''));
}

/** Why the first headers are no beginning of a gRPC response; undefined if they are. */
export function refusalOf(headers: Headers): CallError | undefined {
  const httpStatus = headers.get(':status');
  if (headers.has('grpc-status')) return outcomeOf(headers);
  if (httpStatus !== '200') {
    return failure(codeOfHttp(Number(httpStatus)), `the server answers with the HTTP status ${httpStatus}`);
  }
  const type = headers.get('content-type') ?? '';
  if (type === 'application/grpc' || /^application\/grpc[+;]/.test(type)) return undefined;
  return failure(status.unknown, `the server answers with content of type ${JSON.stringify(type)}`);
}

/** As gRPC wants it for servers that are no gRPC servers, gateways above all. */
function codeOfHttp(httpStatus: number): number {
  if (httpStatus === 400) return status.internal;
  if (httpStatus === 401) return status.unauthenticated;
  if (httpStatus === 403) return status.permissionDenied;
  if (httpStatus === 404) return status.unimplemented;
  return [429, 502, 503, 504].includes(httpStatus) ? status.unavailable : status.unknown;
}

/** Of a stream that the server reset. One that it refuses before it answers has had no effect. */
export function outcomeOfReset(code: number, begun: boolean): CallError {
  if (code === errorCode.refusedStream)
    return failure(status.unavailable, 'the server refused the stream', !begun);
  if (code === errorCode.cancel) return failure(status.cancelled, 'the server cancelled the call');
  if (code === errorCode.enhanceYourCalm) {
    return failure(status.unavailable, 'the server reset the stream: too much was asked of it');
  }
  return failure(status.internal, `the server reset the stream with the code ${code}`);
}

/** Texts that are not encoded as they should be are told as they came. */
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
