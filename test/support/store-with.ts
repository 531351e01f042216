/** It lies with the properties: the copies that mutants are planted in have no tests. */
export { storeWith } from '../../property-tests/support/store-with.js';
