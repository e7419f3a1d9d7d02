import { describe, expect, it } from 'vitest';
import { contract } from '../../lib/contraction/running/contract.js';
import { errorInBounds, naiveContraction } from './support/naive.js';
import { randomFrom, randomTensor } from './support/random_equations.js';

/** Equations (single letters, explicit output) and shapes that break contraction engines. */
const NASTY: [string, number[][]][] = [
  ['->', [[]]],
  [',->', [[], []]],
  [',,,->', [[], [], [], []]],
  ['i->', [[0]]],
  ['i->i', [[0]]],
  ['ij->i', [[3, 0]]],
  [
    'ij,jk->ik',
    [
      [3, 0],
      [0, 2],
    ],
  ],
  [
    'ij,jk->ik',
    [
      [0, 3],
      [3, 2],
    ],
  ],
  [
    'ij,jk->ik',
    [
      [1, 1],
      [1, 1],
    ],
  ],
  [
    'ij,jk->ik',
    [
      [5, 1],
      [1, 7],
    ],
  ],
  [
    'ij,jk->ki',
    [
      [1, 6],
      [6, 1],
    ],
  ],
  ['i,i->i', [[1], [4]]],
  ['i,i->', [[4], [1]]],
  [
    'ij,jk->ik',
    [
      [2, 1],
      [3, 4],
    ],
  ],
  ['ii->', [[4, 4]]],
  ['iii->i', [[3, 3, 3]]],
  ['iijj->ji', [[2, 2, 3, 3]]],
  ['ijij->ij', [[2, 3, 2, 3]]],
  [
    'ii,ii->',
    [
      [3, 3],
      [3, 3],
    ],
  ],
  [
    'ii,jj->ij',
    [
      [3, 3],
      [2, 2],
    ],
  ],
  ['ii,i,iii->i', [[3, 3], [3], [3, 3, 3]]],
  [
    'ij,kl->',
    [
      [2, 3],
      [4, 2],
    ],
  ],
  [
    'ij,kl->jl',
    [
      [2, 3],
      [4, 2],
    ],
  ],
  [
    'ij,kl->lkji',
    [
      [2, 3],
      [4, 2],
    ],
  ],
  ['i,j,k,l->lkji', [[2], [3], [4], [2]]],
  ['i,i,i,i->', [[5], [5], [5], [5]]],
  ['i,i,i,i->i', [[5], [5], [5], [5]]],
  [
    'ij,ik,il->jkl',
    [
      [5, 2],
      [5, 3],
      [5, 2],
    ],
  ],
  [
    'ij,ik,il->ijkl',
    [
      [5, 2],
      [5, 3],
      [5, 2],
    ],
  ],
  [
    'ij,ik,il->',
    [
      [5, 2],
      [5, 3],
      [5, 2],
    ],
  ],
  [
    'hi,ki,hj,kj->hk',
    [
      [4, 3],
      [5, 3],
      [4, 6],
      [5, 6],
    ],
  ],
  [
    'oh,hi,hj,ok,ki,kj->',
    [
      [2, 4],
      [4, 3],
      [4, 5],
      [2, 6],
      [6, 3],
      [6, 5],
    ],
  ],
  ['a,ab,abc->abc', [[2], [2, 3], [2, 3, 4]]],
  ['abc,bc,c->a', [[2, 3, 4], [3, 4], [4]]],
  ['ab,ab,c->', [[3, 4], [3, 4], [5]]],
  ['ab,ab,c->c', [[3, 4], [3, 4], [5]]],
  [
    'ab,ab,cd,cd->',
    [
      [3, 4],
      [3, 4],
      [2, 5],
      [2, 5],
    ],
  ],
  [
    'ab,cd,ef->',
    [
      [3, 4],
      [2, 5],
      [2, 2],
    ],
  ],
  [
    'ab,cd,ef,ab,cd,ef->abcdef',
    [
      [2, 2],
      [2, 2],
      [2, 2],
      [2, 2],
      [2, 2],
      [2, 2],
    ],
  ],
  [
    'eb,cb,fb->cef',
    [
      [3, 4],
      [2, 4],
      [5, 4],
    ],
  ],
  [
    'bca,cdb,dbf,afc->',
    [
      [2, 3, 4],
      [3, 5, 2],
      [5, 2, 3],
      [4, 3, 3],
    ],
  ],
  [
    'dd,fb,be,cdb,cef->',
    [
      [3, 3],
      [2, 4],
      [4, 2],
      [3, 3, 4],
      [3, 2, 2],
    ],
  ],
  [
    'ea,fb,gc,hd,abcd->efgh',
    [
      [2, 3],
      [3, 2],
      [2, 3],
      [3, 2],
      [3, 2, 3, 2],
    ],
  ],
  [
    'abc,bac->c',
    [
      [3, 4, 5],
      [4, 3, 5],
    ],
  ],
  [
    'abc,abd->dc',
    [
      [3, 4, 5],
      [3, 4, 6],
    ],
  ],
  [
    'kab,kcd->dbca',
    [
      [5, 2, 3],
      [5, 4, 2],
    ],
  ],
  [
    'cab,bcd->adc',
    [
      [4, 3, 5],
      [5, 4, 2],
    ],
  ],
  ['ab,b->ab', [[3, 4], [4]]],
  ['ab,,->ba', [[3, 4], [], []]],
  ['abcdefgh->hgfedcba', [[2, 1, 2, 1, 2, 1, 2, 1]]],
  ['abababab->ba', [[2, 3, 2, 3, 2, 3, 2, 3]]],
];

describe('shapes that break contraction engines', () => {
  const strategies = ['blocked', 'ttgt', 'loops'] as const;
  it.each(NASTY)('%s of %j', async (equation, shapes) => {
    const random = randomFrom(equation.length * 31 + shapes.length);
    const [terms, output] = equation.split('->') as [string, string];
    const labels = (term: string) => [...term].map((letter) => letter.charCodeAt(0));
    for (const strategy of strategies) {
      for (const stripExponent of [false, true]) {
        const operands = shapes.map((shape) => randomTensor(random, shape));
        const expected = naiveContraction({ inputs: terms.split(',').map(labels), output: labels(output), operands });
        const result = await contract(equation, operands, { strategy, stripExponent });
        const exponent = 'exponent' in result ? (result.exponent as number) : 0;
        expect(result.shape).toEqual(expected.shape);
        expect(errorInBounds(result, expected, operands.length, exponent)).toBeLessThanOrEqual(1);
      }
    }
  });
});
