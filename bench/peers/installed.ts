/** What the peers are run with, where it is there. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { javaClassPath } from '../servers.js';

/** How Node runs a program of these benchmarks. */
export const nodeProgram = (path: string, relativeTo: string) => [
  process.execPath,
  ...['--import', import.meta.resolve('tsx')],
  fileURLToPath(new URL(path, relativeTo)),
];

export const whyNoCurator =
  'Curator on ZooKeeper (Debian: apt-get install zookeeper libzookeeper-java libcurator-recipes-java default-jdk-headless)';

/** How to run a class of `bench/peers/java`, all of which are compiled; undefined where Java, Curator or ZooKeeper is missing. */
export function javaPeer(): ((className: string, flags: readonly string[]) => string[]) | undefined {
  const jars = javaClassPath('curator-recipes');
  const isThere = [...jars.split(':'), ...javaClassPath('zookeeper').split(':')].every(existsSync);
  if (!isThere || !runs('javac', '-version')) return undefined;
  const sources = fileURLToPath(new URL('./java', import.meta.url));
  const classes = fileURLToPath(new URL('../results/java', import.meta.url));
  mkdirSync(classes, { recursive: true });
  const files = ['Contender', 'Writer', 'QueueParticipant'].map((name) => `${sources}/${name}.java`);
  execFileSync('javac', ['-d', classes, '-cp', jars, ...files], { stdio: ['ignore', 'inherit', 'inherit'] });
  return (className, flags) => ['java', ...flags, '-cp', `${jars}:${classes}`, className];
}

/** Whether Redis is there, and packages of `bench/peers/node`. */
export function hasRedisWith(packages: readonly string[]): boolean {
  const folders = packages.map((name) =>
    fileURLToPath(new URL(`./node/node_modules/${name}`, import.meta.url)),
  );
  return folders.every(existsSync) && runs('redis-server', '--version');
}

function runs(command: string, argument: string): boolean {
  try {
    execFileSync(command, [argument], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
