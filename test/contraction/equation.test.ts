import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bindEquation, labelText, outputShape } from '../../lib/contraction/equation.js';
import { type EquationInput, parseEquation } from '../../lib/contraction/parse.js';
import { contract, contractionPath } from '../../lib/contraction/running/contract.js';
import { TensimError } from '../../lib/errors.js';
import { campaignSeed, runs } from '../support/campaign.js';

const bind = (equation: EquationInput, ...shapes: number[][]) => bindEquation(parseEquation(equation), shapes);

function errorOf(equation: unknown, ...shapes: number[][]): TensimError {
  try {
    bind(equation as EquationInput, ...shapes);
  } catch (error) {
    expect(error).toBeInstanceOf(TensimError);
    return error as TensimError;
  }
  throw new Error('no error was thrown');
}

describe('equations', () => {
  it.each([
    [
      'ij,jk',
      [
        [2, 3],
        [3, 4],
      ],
      [2, 4],
      'ik',
    ],
    ['ba', [[2, 3]], [3, 2], 'ab'],
    ['bA', [[2, 3]], [3, 2], 'Ab'],
    ['ii', [[3, 3]], [], ''],
    ['ii->i', [[3, 3]], [3], 'i'],
    ['', [[]], [], ''],
    ['ij,,k->kij', [[2, 3], [], [4]], [4, 2, 3], 'kij'],
    [
      ' i j , j k -> k i ',
      [
        [2, 3],
        [3, 4],
      ],
      [4, 2],
      'ki',
    ],
    [
      'λμ,μν',
      [
        [2, 3],
        [3, 4],
      ],
      [2, 4],
      'λν',
    ],
    [
      '...ij,jk',
      [
        [5, 2, 3],
        [3, 4],
      ],
      [5, 2, 4],
      '(…0)ik',
    ],
    [
      '...i,...i',
      [
        [2, 3],
        [5, 1, 3],
      ],
      [5, 2],
      '(…0)(…1)',
    ],
    ['a...b->b...a', [[2, 3, 4]], [4, 3, 2], 'b(…0)a'],
    ['i->...i', [[3]], [3], 'i'],
    [
      'ij,jk',
      [
        [2, 1],
        [3, 4],
      ],
      [2, 4],
      'ik',
    ],
    [
      'ij,jk->ik',
      [
        [2, 0],
        [1, 3],
      ],
      [2, 3],
      'ik',
    ],
  ] as [string, number[][], number[], string][])('%s of %j has shape %j', (text, shapes, shape, labels) => {
    const equation = bind(text, ...shapes);
    expect(outputShape(equation)).toEqual(shape);
    expect(labelText(equation.output, equation.names)).toBe(labels);
  });

  it('takes integer labels, any number of them, in ascending implicit order', () => {
    expect(
      outputShape(
        bind(
          {
            inputs: [
              [1000, 7],
              [7, 3],
            ],
          },
          [2, 5],
          [5, 4],
        ),
      ),
    ).toEqual([4, 2]);
    const inputs = Array.from({ length: 80 }, (_, i) => [i, i + 1]);
    const equation = bind({ inputs, output: [80, 0] }, ...inputs.map((_, i) => [i === 0 ? 3 : 2, 2]));
    expect(outputShape(equation)).toEqual([2, 3]);
    expect(
      outputShape(
        bind(
          {
            inputs: [
              ['...', 1],
              [1, 2],
            ],
          },
          [6, 7, 2],
          [2, 3],
        ),
      ),
    ).toEqual([6, 7, 3]);
  });

  it.each([
    [
      'hi,ki->hz',
      [
        [2, 2],
        [2, 2],
      ],
      'INVALID_EQUATION',
      'the output label "z" is in no operand',
      8,
    ],
    [
      'hi,ki->hh',
      [
        [2, 2],
        [2, 2],
      ],
      'INVALID_EQUATION',
      'the output has the label "h" twice',
      8,
    ],
    [
      'ij,j?k',
      [
        [2, 2],
        [2, 2],
      ],
      'INVALID_EQUATION',
      '"?" cannot be part of an equation',
      4,
    ],
    [
      'ij,jk->i,k',
      [
        [2, 2],
        [2, 2],
      ],
      'INVALID_EQUATION',
      'an equation has one output',
      8,
    ],
    ['ij->j->i', [[2, 2]], 'INVALID_EQUATION', 'a second "->"', 5],
    ['i..j', [[2, 2]], 'INVALID_EQUATION', 'a "." that is not part of an ellipsis', 1],
    ['...i...', [[2, 2]], 'INVALID_EQUATION', 'a second ellipsis in one term', 4],
    ['...i->i', [[2, 2]], 'INVALID_EQUATION', 'the output leaves out "...", which covers an axis', 6],
    ['ij,jk', [[2, 2]], 'INVALID_ARGUMENT', 'the equation has 2 operands, 1 given', 3],
    [
      'ij',
      [
        [2, 2],
        [2, 2],
      ],
      'INVALID_ARGUMENT',
      'the equation has 1 operand, 2 given',
      0,
    ],
    [
      'ij,jk',
      [
        [2, 3],
        [4, 2],
      ],
      'SHAPE_MISMATCH',
      'the label "j" has two sizes: 3 and 4',
      3,
    ],
    ['ii', [[1, 3]], 'SHAPE_MISMATCH', 'the label "i" has two sizes: 1 and 3', 1],
    [
      'ij,jkl',
      [
        [2, 3],
        [3, 2],
      ],
      'SHAPE_MISMATCH',
      'operand 1 has 2 axes, its term names 3',
      3,
    ],
    [
      'ij,j',
      [
        [2, 3],
        [3, 2],
      ],
      'SHAPE_MISMATCH',
      'operand 1 has 2 axes, its term names 1',
      3,
    ],
    ['ijk...', [[2]], 'SHAPE_MISMATCH', 'operand 0 has 1 axis, its term names at least 3', 0],
    [
      '...,...',
      [
        [2, 3],
        [2, 4],
      ],
      'SHAPE_MISMATCH',
      'the axes covered by "..." do not broadcast: 3 and 4',
      4,
    ],
  ] as [string, number[][], string, string, number][])(
    'refuses %s of %j with %s and marks the place',
    (text, shapes, code, message, at) => {
      const error = errorOf(text, ...shapes);
      expect(error.code).toBe(code);
      const [what, quoted, caret] = error.message.split('\n');
      expect(what).toBe(message);
      expect(quoted).toBe(`    ${text}`);
      expect(caret!.indexOf('^') - 4).toBe(at);
    },
  );

  it('marks places in label lists as well', () => {
    const error = errorOf(
      {
        inputs: [
          [0, 1],
          [1, 2],
        ],
        output: [0, 3],
      },
      [2, 2],
      [2, 2],
    );
    const [what, quoted, caret] = error.message.split('\n');
    expect(what).toBe('the output label "3" is in no operand');
    expect(quoted).toBe('    [0 1],[1 2]->[0 3]');
    expect(quoted![caret!.indexOf('^')]).toBe('3');
  });

  it.each([
    null,
    undefined,
    7,
    {},
    { inputs: 'ij' },
    { inputs: [3] },
    { inputs: [] },
    { inputs: [[-1]] },
    { inputs: [[0.5]] },
  ])('refuses %j, which is no equation', (equation) => {
    expect(['INVALID_ARGUMENT', 'INVALID_EQUATION']).toContain(errorOf(equation, [2]).code);
  });

  it('cuts long equations around the place', () => {
    const error = errorOf(`${'ab,'.repeat(5000)}?`);
    expect(error.message.length).toBeLessThan(500);
    const [, quoted, caret] = error.message.split('\n');
    expect(quoted![caret!.indexOf('^')]).toBe('?');
  });

  it('answers any text with an equation or a TensimError', () => {
    const soup = fc.string({
      unit: fc.constantFrom('i', 'j', 'K', 'é', ',', '-', '>', '->', '.', '...', ' ', '\n', '1', '😀'),
    });
    fc.assert(
      fc.property(soup, fc.array(fc.array(fc.nat(3), { maxLength: 3 }), { maxLength: 3 }), (text, shapes) => {
        try {
          contractionPath(text, shapes);
        } catch (error) {
          expect(error).toBeInstanceOf(TensimError);
        }
      }),
      { numRuns: runs(500), seed: 1 + campaignSeed },
    );
  });
});

it('refuses shapes that are none', () => {
  for (const shapes of [undefined, null, 'ij', 3]) {
    const ask = () => contractionPath('ij,jk->ik', shapes as unknown as number[][]);
    expect(ask).toThrow(expect.objectContaining({ name: 'TensimError', code: 'INVALID_ARGUMENT' }));
  }
});

describe('operands', () => {
  const data = Float64Array.of(1, 2, 3, 4);
  it.each([
    [{ data: [1, 2], shape: [2] }, 'INVALID_ARGUMENT'],
    [undefined, 'INVALID_ARGUMENT'],
    [{ data, shape: [3] }, 'SHAPE_MISMATCH'],
    [{ data, shape: [-4] }, 'SHAPE_MISMATCH'],
    [{ data, shape: [4], strides: [1, 1] }, 'SHAPE_MISMATCH'],
    [{ data, shape: [4], strides: [2] }, 'SHAPE_MISMATCH'],
    [{ data, shape: [4], strides: [-2] }, 'SHAPE_MISMATCH'],
    [{ data, shape: [4], strides: [0.5] }, 'SHAPE_MISMATCH'],
  ])('refuses %j', async (operand, code) => {
    await expect(contract('i', [operand as never])).rejects.toMatchObject({ code });
  });
});
