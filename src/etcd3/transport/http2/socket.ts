import { connect as connectTcp, isIP, type Socket } from 'node:net';
import {
  connect as connectTls,
  createSecureContext,
  type SecureContext,
  type ConnectionOptions as TlsOptions,
} from 'node:tls';
import { invalidArgument } from '../../../errors.js';
import type { Address } from './address.js';

export interface Certificates {
  readonly rootCertificate: Buffer;
  readonly privateKey?: Buffer;
  readonly certChain?: Buffer;
  readonly serverName?: string;
}

/** What TLS needs of certificates, made once. */
export interface TlsSettings {
  readonly secureContext: SecureContext;
  readonly serverName: string | undefined;
}

const protocol = 'h2';
/** Of a name with several addresses each is tried for so long before the next. */
const addressAttemptMs = 1_000;
const readBytes = 64 * 1024;

export function tlsSettings(certificates: Certificates | undefined): TlsSettings {
  const { rootCertificate, privateKey, certChain, serverName } = certificates ?? {};
  try {
    const secureContext = createSecureContext({ ca: rootCertificate, key: privateKey, cert: certChain });
    return { secureContext, serverName };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw invalidArgument(`the credentials cannot be read: ${why}`, 'certificates and keys as PEM');
  }
}

export interface SocketEvents {
  /** Bytes can be written; over TLS, the server has shown its certificate. */
  opened(): void;
  /** What was read, from then on. */
  received(chunk: Buffer): void;
}

/**
 * A socket that is being connected. Failures come as the socket's own events.
 *
 * It reads into one buffer of its own. Else Node takes 64 kB of fresh memory for each read, gives nearly all of it back, and sends
 * the rest through a stream.
 */
export function openSocket(
  address: Address,
  tls: TlsSettings | undefined,
  { opened, received }: SocketEvents,
): Socket {
  const { host, port } = address;
  const onread = {
    buffer: Buffer.allocUnsafeSlow(readBytes),
    callback: (length: number, buffer: Uint8Array) => {
      received(Buffer.from(buffer.subarray(0, length)));
      return true;
    },
  };
  const tcp = { host, port, noDelay: true, autoSelectFamilyAttemptTimeout: addressAttemptMs, onread };
  if (tls === undefined) return connectTcp(tcp, opened);
  // A name only: an address is no name of a server, but its certificate is still held against it.
  const name = tls.serverName ?? (isIP(host) === 0 ? host : undefined);
  const options: TlsOptions = {
    ...tcp,
    secureContext: tls.secureContext,
    ALPNProtocols: [protocol],
    ...(name === undefined ? {} : { servername: name }),
  };
  const socket = connectTls(options, () => {
    if (socket.alpnProtocol === protocol) opened();
    else socket.destroy(new Error('the server does not offer HTTP/2'));
  });
  return socket.setNoDelay(true);
}
