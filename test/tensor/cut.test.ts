import { expect, test } from 'vitest';
import { Pacer } from '../../lib/cooperate.js';
import { type Cut, copyCut, extentOfCut, shapeOfCut } from '../../lib/tensor/cut.js';

const counting = (...shape: number[]) => ({
  data: Float64Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => i),
  shape,
});

/** Elements by their definition: [outputs][inputs]. */
const CASES: readonly [string, Cut, number[], (i: number, j: number) => number][] = [
  ['all', {}, [70, 130], (i, j) => i * 130 + j],
  ['the transpose', { transposed: true }, [130, 70], (i, j) => j * 70 + i],
  ['the transpose of several axes', { transposed: true }, [3, 50, 7], (i, j) => j * 7 + i],
  ['a matrix a head', { perHead: true }, [3, 80, 5], (i, j) => (Math.floor(i / 5) * 80 + j) * 5 + (i % 5)],
  ['an expert', { expert: 2 }, [4, 6, 9], (i, j) => 2 * 54 + i * 9 + j],
  ['an expert, transposed', { expert: 1, transposed: true }, [2, 6, 9], (i, j) => 54 + j * 9 + i],
  [
    'runs of rows',
    { rows: { start: 1, run: 2, stride: 5, count: 3 } },
    [14, 4],
    (i, j) => (1 + Math.floor(i / 2) * 5 + (i % 2)) * 4 + j,
  ],
  [
    'runs of rows of a transpose',
    { transposed: true, rows: { start: 3, run: 3, stride: 3, count: 1 } },
    [66, 9],
    (i, j) => j * 9 + 3 + i,
  ],
  ['a vector of several axes', { vector: true }, [3, 4], (i) => i],
  ['a run of a vector', { rows: { start: 4, run: 3, stride: 3, count: 1 } }, [9], (i) => 4 + i],
];

test.each(CASES)('%s of a tensor', async (_, cut, shape, element) => {
  const [outputs, inputs] = extentOfCut(cut, shape)!;
  const copy = await copyCut(cut, counting(...shape), new Float32Array(outputs * inputs), new Pacer());
  const expected = Array.from({ length: outputs * inputs }, (_unused, at) =>
    element(Math.floor(at / inputs), at % inputs),
  );
  expect([...copy]).toEqual(expected);
  const isVector = cut.vector === true || shape.length === 1;
  expect(shapeOfCut(cut, shape)).toEqual(isVector ? [outputs] : [outputs, inputs]);
});

test.each<[string, Cut, number[]]>([
  ['an expert that is not there', { expert: 4 }, [4, 6, 9]],
  ['rows beyond the last', { rows: { start: 2, run: 3, stride: 3, count: 3 } }, [10, 4]],
  ['a matrix a head of two axes', { perHead: true }, [3, 4]],
  ['anything of a number', {}, []],
])('%s is none', (_, cut, shape) => {
  expect(extentOfCut(cut, shape)).toBeUndefined();
  expect(shapeOfCut(cut, shape)).toBeUndefined();
});
