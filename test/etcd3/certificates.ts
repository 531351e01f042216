import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const openssl = (...args: string[]) => promisify(execFile)('openssl', args);

/** A certificate authority of the moment, and certificates that it signed: `{name}.pem` and `{name}.key`. */
export async function makeCertificates(folder: string): Promise<void> {
  const path = (name: string) => join(folder, name);
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const authority = async (name: string) =>
    openssl(
      ...['req', '-x509', ...curve, '-days', '2', '-subj', `/CN=${name}`],
      ...['-keyout', path(`${name}.key`), '-out', path(`${name}.pem`)],
    );
  await authority('ca');
  await authority('stranger');
  for (const [name, subject] of [
    ['server', 'IP:127.0.0.1'],
    ['client', 'IP:127.0.0.1'],
    ['elsewhere', 'DNS:etcd.example'],
  ] as const) {
    const extensions = `subjectAltName=${subject}\nextendedKeyUsage=serverAuth,clientAuth\n`;
    await writeFile(path('extensions'), extensions);
    await openssl(
      ...['req', '-new', ...curve, '-subj', `/CN=${name}`],
      ...['-keyout', path(`${name}.key`), '-out', path(`${name}.csr`)],
    );
    await openssl(
      ...['x509', '-req', '-days', '2', '-in', path(`${name}.csr`), '-extfile', path('extensions')],
      ...['-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-CAcreateserial', '-out', path(`${name}.pem`)],
    );
  }
}
