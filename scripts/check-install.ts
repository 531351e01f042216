/** Installs the packed tarball in an empty folder, as a user would, and takes a fenced lock on the embedded server. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pack } from './pack.js';

const program = `
import { Client, get, Mutex, put, textOf } from 'quorate';
import { startEmbedded } from 'quorate/embedded';
import { openEtcd3Store } from 'quorate/etcd3';

const server = await startEmbedded();
const client = await Client.open({ store: await openEtcd3Store({ hosts: server.endpoint }), closeStore: true });
const hold = await new Mutex(client, 'smoke').acquire({ timeoutMs: 10_000 });
await hold.txn({ success: [put('smoke/value', String(hold.token))] });
await hold.release();
const late = await hold.txn({ success: [put('smoke/value', 'late')] }).then(() => 'accepted', (error) => error.code);
const { kvs } = await client.store.range(get('smoke/value'));
if (late === 'accepted' || textOf(kvs[0].value) !== String(hold.token)) throw new Error('the lock does not fence');
await client.close();
await server.close();
console.log('install: a fenced lock from the installed tarball, token ' + hold.token + ', late write ' + late);
`;

const packed = pack();
try {
  writeFileSync(
    join(packed.folder, 'package.json'),
    '{ "name": "smoke", "private": true, "type": "module" }\n',
  );
  writeFileSync(join(packed.folder, 'smoke.js'), program);
  const options = { cwd: packed.folder, stdio: 'inherit', timeout: 300_000 } as const;
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];
  execFileSync('npm', ['install', ...flags, packed.tarball], options);
  execFileSync(process.execPath, ['smoke.js'], { ...options, timeout: 60_000 });
} finally {
  packed.remove();
}
