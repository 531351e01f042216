/** Traffic of others on Redis: see bench/locks/writing.ts. */
import { writeSteadily } from '../../locks/writing.js';
import { connectRedis } from './redis.js';

const redis = await connectRedis(process.argv[2] ?? '');
await writeSteadily((number) => redis.set(`others/${number % 100}`, 'x'.repeat(64)));
