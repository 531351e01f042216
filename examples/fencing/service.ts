import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import sqlite from 'node-sqlite3-wasm';
import { isQuorateError } from 'quorate';
import { FencedResources, type FenceStore } from 'quorate/locks';

// In a service of yours a file, so that a restart forgets nothing.
const db = new sqlite.Database();
db.exec('CREATE TABLE fence (resource TEXT PRIMARY KEY, token INTEGER NOT NULL) STRICT');
const store: FenceStore = {
  advance: async (resource, token) => {
    const newest = db.get(
      `INSERT INTO fence (resource, token) VALUES (:resource, :token)
       ON CONFLICT (resource) DO UPDATE SET token = max(token, excluded.token) RETURNING token`,
      { ':resource': resource, ':token': token },
    );
    return Number(newest?.['token']);
  },
};
const fences = new FencedResources({ store });
const positions = new Map<string, string>();

const server = createServer(async (request, response) => {
  const valve = request.url ?? '';
  const position = await text(request);
  // Without the header this is 0, which `run` refuses: no lock gives that token.
  const token = Number(request.headers['fencing-token'] ?? '');
  try {
    await fences.run(valve, token, (signal) => {
      // Moving it takes its time, in practice: stop at `signal`, for then the lock has another holder.
      signal.throwIfAborted();
      positions.set(valve, position);
    });
    response.writeHead(204).end();
  } catch (error) {
    const refused = isQuorateError(error, 'invalid-argument') ? 400 : 500;
    response.writeHead(isQuorateError(error, 'fenced') ? 409 : refused).end(String(error));
  }
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const { port } = server.address() as AddressInfo;

async function turn(position: string, headers: Record<string, string>): Promise<void> {
  const request = { method: 'PUT', body: position, headers };
  const { status } = await fetch(`http://127.0.0.1:${port}/valves/7`, request);
  console.log(`${position}: ${status}, so it stands at ${positions.get('/valves/7')}`);
}
await turn('open', { 'fencing-token': '8192' });
await turn('half open', { 'fencing-token': '8192' });
await turn('shut', { 'fencing-token': '9216' });
await turn('open, from the paused holder', { 'fencing-token': '8192' });
await turn('open, from somebody without a lock', {});
server.close();
