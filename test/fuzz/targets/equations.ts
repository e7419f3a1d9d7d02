import type { EquationInput } from '../../../lib/contraction/parse.js';
import { contract, contractionPath } from '../../../lib/contraction/running/contract.js';
import type { ContractOptions } from '../../../lib/contraction/running/options.js';
import type { ScaledTensor, Tensor } from '../../../lib/tensor/tensor.js';
import { availableBackends } from '../../support/backends.js';
import type { Random } from '../../support/random.js';
import { type Reader, type Target, Wrong } from '../engine/target.js';
import { chance, pick } from '../mutation/bytes.js';
import { type Json, jsonMutation, parsed, smallerJson, textOf } from '../mutation/json.js';
import { accepted, leftOut } from './files.js';

/** An input: what `contract` is given, but for the numbers. */
interface Question {
  readonly equation: EquationInput;
  readonly shapes: readonly (readonly number[])[];
  readonly options?: ContractOptions;
}

/** Of operands, and of what is computed, in an execution. */
const MOST_OPERANDS = 24;
const MOST_ELEMENTS = 4096;
const MOST_FLOPS = 200_000;

const WORDS = [
  ...['equation', 'shapes', 'options', 'inputs', 'output', 'optimize', 'cost', 'memoryLimit', 'strategy', 'dtype'],
  ...[
    'stripExponent',
    'seed',
    'auto',
    'optimal',
    'greedy',
    'random-greedy',
    'time',
    'flops',
    'blocked',
    'ttgt',
    'loops',
  ],
  ...['float32', 'float64', 'ij,jk->ik', '->', ',', '...', 'ij', '...i', 'ii', ' ', 'α', '𝔸', '.', '->->'],
];

const question = (equation: Json, shapes: number[][], options: Json = {}): Json => ({ equation, shapes, options });

/** An equation that is right: letters with sizes, operands of them, some of them in the result. */
function rightEquation(random: Random): Json {
  const sizes = Array.from({ length: random.integer(1, 6) }, () => random.integer(1, 4));
  const letter = (label: number) => String.fromCharCode(97 + label);
  const operands = Array.from({ length: random.integer(1, 6) }, () =>
    Array.from({ length: random.integer(0, 4) }, () => random.integer(0, sizes.length - 1)),
  );
  const used = [...new Set(operands.flat())].filter(() => chance(random, 0.5));
  const shapes = operands.map((labels) => labels.map((label) => (chance(random, 0.05) ? 1 : sizes[label])));
  const options = {
    optimize: pick(random, ['auto', 'optimal', 'greedy', 'random-greedy']),
    strategy: pick(random, ['blocked', 'ttgt', 'loops']),
    ...(chance(random, 0.2) && { memoryLimit: random.integer(1, 2000) }),
    ...(chance(random, 0.2) && { stripExponent: true }),
    ...(chance(random, 0.2) && { dtype: 'float32' }),
  };
  if (chance(random, 0.3)) return question({ inputs: operands, output: used }, shapes, options);
  const text = `${operands.map((labels) => labels.map(letter).join('')).join(',')}->${used.map(letter).join('')}`;
  return question(text, shapes, options);
}

export const readsEquations: Target = {
  name: 'equation',
  about: 'equations, shapes and options of contractions',
  synchronous: true,
  mutate: jsonMutation({ words: WORDS, whole: rightEquation }),
  simplify: smallerJson,
  async prepare() {
    const seeds = [
      question('ij,jk->ik', [
        [2, 3],
        [3, 2],
      ]),
      question(
        'hi,ki,hj,kj->hk',
        [
          [2, 3],
          [2, 3],
          [2, 2],
          [2, 2],
        ],
        { optimize: 'optimal' },
      ),
      question(
        '...ij,...jk->...ik',
        [
          [2, 2, 3],
          [2, 3, 2],
        ],
        { memoryLimit: 200 },
      ),
      question('ii,i', [[3, 3], [3]], { optimize: [[0, 1]], stripExponent: true }),
      question(
        {
          inputs: [
            [0, 1],
            [1, 2],
          ],
          output: [2, 0],
        },
        [
          [2, 3],
          [3, 4],
        ],
        { strategy: 'loops' },
      ),
    ].map(textOf);
    const read: Reader = async (bytes) => {
      const { equation, shapes, options = {} } = Object(parsed(bytes)) as Question;
      const { onProgress: _, signal: __, threads: ___, backend: ____, ...plan } = Object(options) as ContractOptions;
      if (Array.isArray(shapes) && shapes.length > MOST_OPERANDS) throw leftOut();
      const info = contractionPath(equation, shapes, plan);
      const elements = shapes.map((shape) => shape.reduce((size: number, extent: number) => size * extent, 1));
      const largest = Math.max(...elements, info.largestIntermediate);
      if (largest > MOST_ELEMENTS || info.flops > MOST_FLOPS || info.slices.length > 4)
        return accepted(String(info), false);
      const operands = shapes.map((shape, i): Tensor => ({ data: wholeNumbers(elements[i], i), shape }));
      const results = await Promise.all(
        availableBackends.map((backend) => contract(equation, operands, { ...plan, backend, threads: 1 })),
      );
      const answers = results.map(told);
      if (new Set(answers).size > 1) throw new Wrong(`the backends answer ${answers.join(' and ')}`);
      return accepted(answers[0]);
    };
    return { seeds, read };
  },
};

/** Small whole numbers: products of them are exact on every backend, in any order. */
function wholeNumbers(length: number, from: number): Float64Array {
  return Float64Array.from({ length }, (_, i) => ((7 * i + 3 * from) % 5) - 2);
}

/** A result, as far as it must be equal everywhere: what went beyond the whole numbers of its type is rounded. */
function told(result: Tensor | ScaledTensor): string {
  const { data, shape } = result;
  const scale = 2 ** ('exponent' in result ? result.exponent : 0);
  const values = Array.from(data as Float64Array, (value) => value * scale + 0);
  const exact = data instanceof Float32Array ? 2 ** 24 : 2 ** 53;
  const isExact = values.every((value) => Math.abs(value) < exact);
  return JSON.stringify([shape, isExact ? values : 'beyond the whole numbers']);
}
