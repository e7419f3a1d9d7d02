import { describe, expect, it } from 'vitest';
import { compareHtml } from '../../lib/report/html.js';
import { compareJson, matrixJson } from '../../lib/report/json.js';
import { crossText, matrixText } from '../../lib/report/matrix_text.js';
import { compareText } from '../../lib/report/text.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { similarity } from '../../lib/similarity/similarity.js';
import { modelOf, randomBlock, randomLinear } from '../support/models.js';
import { random } from '../support/random.js';

const draw = random(3);
const bias = (value: number) => ({ data: Float64Array.of(value), shape: [1] });
const row = (...values: number[]) => ({ data: Float64Array.from(values), shape: [1, values.length] });
/** x ↦ w·x + constant: nine tenths of ‖f‖² is the constant 3. */
const constant = modelOf([{ type: 'linear', weight: row(1, 0), bias: bias(3) }], 'constant');
const other = modelOf([{ type: 'linear', weight: row(0, 1), bias: bias(3) }], 'other');
const shape = { inputs: 2, hidden: 3, outputs: 1 };
const quadratic = modelOf([randomBlock(draw, shape)], 'quadratic');
const mixed = modelOf([randomLinear(draw, 2, 2), randomBlock(draw, shape)], 'mixed');

describe('degrees in reports', () => {
  it('are told in text where a constant is most of a model, and what is similar without it', async () => {
    const result = await similarity(constant, other);
    expect(result.similarity).toBeCloseTo(0.9);
    expect(result.degrees!.centred).toBe(0);
    const text = compareText(result);
    expect(text).toMatch(/degree +similarity +share of a +share of b/);
    expect(text).toMatch(/constant \(the mean\) +1 +90\.0 % +90\.0 %/);
    expect(text).toMatch(/all but the constant +0\.000000 +10\.0 % +10\.0 %/);
    expect(text).toContain(
      'A constant, the same for all inputs, is 90 % and 90 % of the two (of ‖f‖²): the similarity of what depends on the input is 0.0000.',
    );
  });

  it('are a table in text where they are asked for', async () => {
    const result = await similarity(quadratic, mixed);
    expect(compareText(result)).not.toContain('share of a');
    expect(compareText(result, { degrees: true })).toMatch(/quadratic +-?0\.\d+/);
    expect(compareText(result, { degrees: true })).toMatch(/higher +undefined +0 % +0 %/);
    expect(compareText(await similarity(constant, other), { degrees: false })).not.toContain('share of a');
  });

  it('are in the JSON of pairs and of matrices, and in the page of a pair', async () => {
    const result = await similarity(constant, other);
    const { degrees } = compareJson(result) as { degrees: { parts: { name: string }[]; centred: number } };
    expect(degrees.parts.map(({ name }) => name)).toEqual(['constant', 'linear', 'quadratic', 'higher']);
    expect(degrees.centred).toBe(0);
    const page = await compareHtml(result);
    expect(page).toContain('<h2>By degree</h2>');
    expect(page).toContain('A constant, the same for all inputs');
    const matrix = await similarityMatrix([constant, other], { degrees: true });
    expect(matrixJson(matrix).degrees).toMatchObject({
      centred: [
        [1, 0],
        [0, 1],
      ],
      rowShares: [[0.9, 0.9], {}, {}, {}],
    });
  });

  it('of a matrix are sentences', async () => {
    const models = [constant, other, mixed];
    const text = matrixText(await similarityMatrix(models, { degrees: true }));
    expect(text).toMatch(
      /By degree the models consist \(in ‖f‖²\) of: constant .* to 90\.0 %, linear .*, higher 0 %\./,
    );
    expect(text).toMatch(/Without the constant, similarities lie between -?0\.\d+ and 0\.\d+\./);
    expect(matrixText(await similarityMatrix(models))).not.toContain('By degree');
    const cross = await similarityMatrix(models, { degrees: true, reference: 0 });
    expect(crossText(cross)).toContain('By degree the models consist');
  });
});
