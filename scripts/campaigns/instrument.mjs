// Counters in the branches of lib, put in while it is bundled: what a fuzzed input reaches is known after each of some
// thousand runs a second. V8's own block coverage tells the same, but taking it costs some milliseconds each time. Files
// are asked for at once there (test/fuzz/engine/prompt_files.ts).

import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { transform } from 'esbuild';
import { parseAst } from 'vitest/node';
import { root } from '../toolchain.mjs';

/** How many branches can be told apart; test/fuzz/engine/coverage.ts makes as many counters. */
export const COUNTERS = 1 << 15;

/** Numerics: no input is read in them, and counters would take most of the time. */
const LEFT_OUT = /^lib\/(?:fallback|gaussian|backend|machines|report|cooperate\.ts|similarity\/(?!state|gate|law))/;

/** A plugin for esbuild. */
export function instrumented() {
  let next = 0;
  return {
    name: 'instrumented',
    setup({ onLoad, onResolve }) {
      onResolve({ filter: /^node:fs\/promises$/ }, ({ importer }) =>
        isLibrary(importer) ? { path: join(root, 'test', 'fuzz', 'engine', 'prompt_files.ts') } : undefined,
      );
      onLoad({ filter: /[\\/]lib[\\/].*\.ts$/ }, async ({ path }) => {
        if (!isLibrary(path) || LEFT_OUT.test(nameOf(path))) return undefined;
        const { code } = await transform(readFileSync(path, 'utf8'), {
          loader: 'ts',
          target: 'node20',
          sourcemap: 'inline',
          sourcefile: path,
        });
        const insertions = [];
        const count = () => `tensimCounters[${next++ % COUNTERS}]++`;
        visit(parseAst(code), (node) =>
          instrument(node, count, (at, text, closes = false) => insertions.push({ at, text, closes })),
        );
        return {
          contents: `const tensimCounters=globalThis.tensimCounters;${spliced(code, insertions)}`,
          loader: 'js',
        };
      });
    },
  };
}

const nameOf = (path) => relative(root, path).replaceAll('\\', '/');
const isLibrary = (path) => nameOf(path).startsWith('lib/');

/** Makes the counters before any of the code runs. */
export const COUNTERS_BANNER = `globalThis.tensimCounters??=new Uint8Array(${COUNTERS});`;

function visit(node, enter) {
  enter(node);
  for (const value of Object.values(node)) {
    if (Array.isArray(value)) for (const child of value) if (isNode(child)) visit(child, enter);
    if (isNode(value)) visit(value, enter);
  }
}

const isNode = (value) => typeof value?.type === 'string' && typeof value.start === 'number';

function instrument(node, count, insert) {
  const expression = (part) => {
    insert(part.start, `(${count()},`);
    insert(part.end, ')', true);
  };
  const statement = (part) => {
    if (part.type === 'BlockStatement') return insert(part.start + 1, `${count()};`);
    insert(part.start, `{${count()};`);
    insert(part.end, '}', true);
  };
  switch (node.type) {
    case 'FunctionDeclaration':
    case 'FunctionExpression':
    case 'ArrowFunctionExpression':
      return node.body?.type === 'BlockStatement' ? statement(node.body) : expression(node.body);
    case 'IfStatement':
      if (!node.alternate) insert(node.end, `else{${count()}}`, true);
      else if (node.alternate.type !== 'IfStatement') statement(node.alternate);
      return statement(node.consequent);
    case 'ForStatement':
    case 'ForOfStatement':
    case 'ForInStatement':
    case 'WhileStatement':
    case 'DoWhileStatement':
    case 'CatchClause':
      return statement(node.body);
    case 'SwitchCase':
      return node.consequent.length > 0 ? insert(node.consequent[0].start, `${count()};`) : undefined;
    case 'ConditionalExpression':
      expression(node.consequent);
      return expression(node.alternate);
    case 'LogicalExpression':
    case 'AssignmentPattern':
      return expression(node.right);
  }
}

/** At one place, what closes comes before what opens; of what closes the last first, for parents are visited first. */
function spliced(code, insertions) {
  const ordered = insertions.map((insertion, order) => ({ ...insertion, order: insertion.closes ? -order : order }));
  ordered.sort((a, b) => a.at - b.at || b.closes - a.closes || a.order - b.order);
  let from = 0;
  let result = '';
  for (const { at, text } of ordered) {
    result += code.slice(from, at) + text;
    from = at;
  }
  return result + code.slice(from);
}
