import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { layerOf, readSources, type SourceFile } from './source-tree.js';

const forbiddenNames = new Set([
  'setTimeout',
  'setInterval',
  'setImmediate',
  'performance',
  'crypto',
  'randomUUID',
  'randomBytes',
  'randomFillSync',
]);
const forbiddenMembers = new Set([
  'Date.now',
  'Math.random',
  'AbortSignal.timeout',
  'process.hrtime',
  'process.uptime',
]);
const forbiddenModules =
  /^(node:)?(timers|timers\/promises|perf_hooks|crypto|child_process|worker_threads|cluster)$/;

/** Every use of a clock, a timer or chance in a file, as `path:line what`. */
function usesOfChance(file: SourceFile): string[] {
  const source = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.ES2022, true);
  const found: string[] = [];
  const report = (node: ts.Node, what: string) => {
    const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
    found.push(`${file.path}:${line + 1} ${what}`);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteral(node) && isSpecifier(node) && forbiddenModules.test(node.text)) {
      report(node, node.text);
    }
    if (ts.isIdentifier(node) && forbiddenNames.has(node.text) && isUse(node)) report(node, node.text);
    if (ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node)) {
      const member = nameOfMember(node);
      if (forbiddenMembers.has(member)) report(node, member);
    }
    if (ts.isNewExpression(node) && node.expression.getText(source) === 'Date') {
      if ((node.arguments ?? []).length === 0) report(node, 'new Date()');
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function isSpecifier(node: ts.StringLiteral): boolean {
  const { parent } = node;
  return (
    ts.isImportDeclaration(parent) ||
    ts.isExportDeclaration(parent) ||
    (ts.isCallExpression(parent) && parent.expression.kind === ts.SyntaxKind.ImportKeyword)
  );
}

/** A reference to the global: not the name of a property, method or member of someone else's object. */
function isUse(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent) && parent.name === node) {
    return /^(globalThis|global|crypto|performance)$/.test(parent.expression.getText());
  }
  const names =
    (ts.isPropertyAssignment(parent) ||
      ts.isMethodDeclaration(parent) ||
      ts.isMethodSignature(parent) ||
      ts.isPropertySignature(parent) ||
      ts.isPropertyDeclaration(parent)) &&
    parent.name === node;
  return !names;
}

function nameOfMember(node: ts.PropertyAccessExpression | ts.ElementAccessExpression): string {
  const object = node.expression.getText().replace(/^(globalThis|global)\./, '');
  if (ts.isPropertyAccessExpression(node)) return `${object}.${node.name.text}`;
  return ts.isStringLiteral(node.argumentExpression) ? `${object}.${node.argumentExpression.text}` : object;
}

describe('clocks, timers and chance', () => {
  test('nothing in src outside src/runtime touches them', () => {
    const outside = readSources().filter((file) => layerOf(file.path) !== 'runtime');
    expect(outside.length).toBeGreaterThan(5);
    expect(outside.flatMap(usesOfChance)).toEqual([]);
  });

  test('src/runtime does, so the test sees what it looks for', () => {
    const inside = readSources().filter((file) => layerOf(file.path) === 'runtime');
    const found = inside.flatMap(usesOfChance).join('\n');
    for (const what of ['setTimeout', 'Date.now', 'performance', 'Math.random', 'randomFillSync']) {
      expect(found).toContain(what);
    }
  });

  test.each([
    'setTimeout(() => {}, 1);',
    'const later = setTimeout;',
    'globalThis.setInterval(() => {}, 1);',
    'setImmediate(() => {});',
    'export const at = Date.now();',
    `export const at = Date['now']();`,
    'export const at = new Date();',
    'export const at = performance.now();',
    'export const chance = Math.random();',
    'export const id = crypto.randomUUID();',
    `import { randomBytes as bytes } from 'node:crypto';`,
    `import { setTimeout as delay } from 'node:timers/promises';`,
    `export const timers = () => import('timers');`,
    'export const soon = AbortSignal.timeout(5);',
    'export const at = process.hrtime.bigint();',
  ])('catches a planted %s', (text) => {
    expect(usesOfChance({ path: 'session/planted.ts', text })).not.toEqual([]);
  });

  test.each([
    'queueMicrotask(() => {});',
    'export const run = (runtime: { setTimer(): void }) => runtime.setTimer();',
    'export const options = { performance: 1 };',
    'export const day = (ms: number) => new Date(ms).toISOString();',
  ])('lets %s pass', (text) => {
    expect(usesOfChance({ path: 'session/planted.ts', text })).toEqual([]);
  });
});
