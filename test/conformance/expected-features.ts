/** Everything that a run of full length must have tried; names as `step-features` and `answer-features` give them. */
const comparisons = ['equal', 'not-equal', 'greater', 'less'];
const compareTargets = ['create', 'mod', 'version', 'value', 'lease'];
const sortTargets = ['key', 'version', 'create', 'mod', 'value'];
const subjects = ['one key', 'range', 'to the end', 'all keys', 'empty range'];
const past = ['below the compacted revision', 'the compacted revision', 'the past', 'the current revision'];
const moments = ['revision 0', ...past, 'the next revision'];

const rangeFeatures = [
  ...[...subjects, 'empty key', ...moments],
  ...sortTargets.flatMap((target) => [`sort by ${target}, ascend`, `sort by ${target}, descend`]),
  ...['limit', 'limit 0', 'sort and limit', 'more', 'keysOnly', 'countOnly'],
  ...['minModRevision', 'maxModRevision', 'minCreateRevision', 'maxCreateRevision'],
  ...['filter and limit', 'filter and countOnly', 'found nothing', 'found several'],
  'count above what was found',
];

const named = (name: string, features: readonly string[]) => features.map((feature) => `${name}: ${feature}`);

export const expectedFeatures: readonly string[] = [
  ...named('txn', ['empty', 'depth 1', 'depth 2', 'depth 3', 'depth 4', 'succeeded', 'failed']),
  ...named('nested txn', ['succeeded', 'failed']),
  ...compareTargets.flatMap((target) => [
    ...comparisons.map((result) => `compare: ${target} ${result}`),
    ...subjects.map((subject) => `compare: ${target} of ${subject}`),
  ]),
  'compare: in a nested transaction',
  ...named('put', ['no lease', 'lease', 'prevKv', 'answered prevKv', 'value', 'empty value', 'binary value']),
  ...named('put', ['ignoreValue', 'ignoreValue and a lease', 'ignoreValue and a value', 'empty key']),
  ...named('put', ['ignoreLease', 'ignoreLease and a lease']),
  ...named('delete', [
    ...subjects,
    'empty key',
    'prevKv',
    'nothing',
    'several keys',
    'answered several prevKvs',
  ]),
  ...named('range', [...rangeFeatures, 'serializable']),
  ...named('range in txn', rangeFeatures),
  ...named('grant', ['id of the caller', 'negative id']),
  ...named('briefLease', ['id of the caller', 'id of the server', 'TTL below the least']),
  ...named('revoke', ['no keys', 'one key', 'several keys']),
  ...['keepAlive', 'closeWatch', 'expiry', 'expiry: watched to its end'],
  ...named('keepAlive', ['lease', 'no lease']),
  ...named('timeToLive', ['lease', 'no lease', 'with keys', 'without keys', 'several keys']),
  ...named('compact', moments),
  ...named('hash', moments),
  ...named('watch', [...subjects, 'empty key', ...moments, 'the future', 'prevKv']),
  ...named('watch', ['through the store', 'through the server']),
  ...named('watch', ['without put', 'without delete', 'without put and delete']),
  ...named('watch', ['saw puts', 'saw deletes', 'saw prevKv', 'prevKv was compacted away']),
  ...named('watch', ['several events of one revision', 'ended by compaction', 'lived across a compaction']),
  ...named('refused txn', ['duplicate-key', 'too-many-operations', 'request-too-large', 'invalid-argument']),
  ...named('refused txn', ['lease-not-found', 'key-not-found', 'compacted', 'future-revision']),
  ...named('refused range', ['invalid-argument', 'compacted', 'future-revision']),
  ...named('refused grant', ['lease-exists', 'invalid-argument']),
  ...named('refused revoke', ['lease-not-found']),
  ...named('refused compact', ['compacted', 'future-revision']),
  ...named('refused hash', ['compacted', 'future-revision']),
  ...named('refused watch', ['invalid-argument']),
];
