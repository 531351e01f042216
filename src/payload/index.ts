export { comparesOf, type Expected } from './expected.js';
export { checkCodec, checkSchema, Payloads } from './payloads.js';
