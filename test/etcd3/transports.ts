/** The transports over which every suite of the adapter runs. */
export const transports = ['http2', 'grpc-js'] as const;
