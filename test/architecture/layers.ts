/**
 * Who may import whom, as folders of `src`. `errors` stands for `src/errors.ts`, `index` for `src/index.ts`.
 * An edge that is missing here is forbidden; a new one is a decision, to be written down in docs/architecture.md.
 */
const ground = ['errors', 'runtime', 'store'] as const;
const belowSession = [...ground, 'commit', 'watch'] as const;
const belowPrimitives = [...belowSession, 'session'] as const;

export const allowedImports: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  runtime: ['errors'],
  store: ['errors', 'runtime'],
  engine: ['errors', 'store'],
  memory: [...ground, 'engine'],
  embedded: [...ground, 'engine'],
  simulator: [...ground, 'engine'],
  etcd3: ground,
  commit: ground,
  watch: ground,
  mirror: ground,
  payload: ['errors', 'store'],
  session: belowSession,
  // Under what a user's write is made: a hold, a leadership, a session.
  guard: belowPrimitives,
  line: belowPrimitives,
  locks: [...belowPrimitives, 'line'],
  election: [...belowPrimitives, 'line'],
  queues: [...belowPrimitives, 'payload'],
  atomics: [...belowPrimitives, 'line', 'payload', 'guard'],
  barriers: belowPrimitives,
  config: [...belowPrimitives, 'mirror', 'payload', 'guard'],
  pubsub: [...belowPrimitives, 'payload', 'guard'],
  // A program, which nothing imports.
  agent: ['errors', 'session', 'config', 'etcd3'],
  // Of the primitives only what their keys and values look like.
  checkers: ['errors', 'store', 'line', 'election', 'queues', 'barriers', 'config', 'pubsub'],
  index: [...belowPrimitives, 'locks', 'election', 'queues', 'atomics', 'barriers', 'config', 'pubsub'],
};

/** Packages and built-in modules that a folder may import. Adapters are the only ones that know a client. */
export const allowedPackages: Readonly<Record<string, readonly string[]>> = {
  runtime: ['node:child_process', 'node:crypto', 'node:events', 'node:perf_hooks', 'node:worker_threads'],
  etcd3: ['etcd3', '@grpc/grpc-js', 'node:net', 'node:tls'],
  embedded: [
    '@grpc/grpc-js',
    '@grpc/proto-loader',
    'node:fs',
    'node:fs/promises',
    'node:module',
    'node:path',
    'node:url',
    'node:util',
    'node:zlib',
  ],
  payload: ['@standard-schema/spec'],
  queues: ['p-queue', '@standard-schema/spec', 'croner'],
  atomics: ['@standard-schema/spec'],
  agent: ['node:fs/promises', 'node:os', 'node:util'],
  // A last known good, and files for programs in other languages.
  config: ['@standard-schema/spec', 'node:fs/promises', 'node:path', 'node:zlib'],
  pubsub: ['@standard-schema/spec'],
};
