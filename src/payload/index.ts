export { checkCodec, checkSchema, Payloads } from './payloads.js';
