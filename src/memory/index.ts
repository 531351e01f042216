export { MemoryServer, type MemoryServerOptions } from './server.js';
