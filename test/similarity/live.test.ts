import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Pacer } from '../../lib/cooperate.js';
import type { Model } from '../../lib/model/model.js';
import { Cells, type Change } from '../../lib/similarity/gram/cells.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import type {
  CrossSimilarity,
  FinishedTile,
  MatrixOptions,
  SimilarityMatrix,
} from '../../lib/similarity/terms/types.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { availableBackends } from '../support/backends.js';
import { blockModel, modelOf, randomBlock } from '../support/models.js';
import { random } from '../support/random.js';

const root = temporaryFolder();
const models = (count: number): Model[] => {
  const draw = random(3);
  return Array.from({ length: count }, (_, i) => blockModel(draw, { inputs: 3, hidden: 2, outputs: 2 }, `model ${i}`));
};

/** The result, and what was told while it was computed. */
async function watched(list: readonly Model[], options: MatrixOptions) {
  const tiles: FinishedTile[] = [];
  const known: number[] = [];
  const onTile = (tile: FinishedTile) => {
    tiles.push(tile);
    known.push(tile.matrix.known);
  };
  const result: SimilarityMatrix | CrossSimilarity = await similarityMatrix(list, { ...options, onTile });
  return { tiles, known, result };
}

/** The Gram matrices, in all and per output, that tiles put together make; NaN where none of them has anything. */
function joined(tiles: readonly FinishedTile[], rows: number, columns: number, outputs: number) {
  const empty = () => Array.from({ length: rows }, () => new Float64Array(columns).fill(Number.NaN));
  const [gram, slices] = [empty(), Array.from({ length: outputs }, empty)];
  for (const { rowIndices, columnIndices, gram: total, perOutput } of tiles) {
    for (const [r, row] of rowIndices.entries()) {
      for (const [c, column] of columnIndices.entries()) {
        const at = r * columnIndices.length + c;
        const cells = [row, column].flatMap((one, i) =>
          one.rows.flatMap((x) => [column, row][i].columns.map((y) => [x, y] as const)),
        );
        for (const [x, y] of cells) {
          gram[x][y] = total[at];
          for (const [s, slice] of slices.entries()) slice[x][y] = perOutput![at * outputs + s];
        }
      }
    }
  }
  return { gram, slices };
}

const list = models(45);
const WAYS: [title: string, given: readonly Model[], options: MatrixOptions][] = [
  ['of all with all', list, {}],
  ['per output', list, { perOutput: true }],
  ['in which a model stands twice', [list[0], list[1], list[0], list[2]], { perOutput: true }],
  ['of rows with columns, of which some are both', list, { rows: list.slice(0, 9), columns: list.slice(5, 40) }],
  ['under a memory limit', list, { memoryLimit: 12_000 }],
  ['that is sampled', list.slice(0, 5), { method: 'sampled', maxSamples: 4096, perOutput: true }],
  [
    'that is sampled, of rows with a reference',
    list.slice(0, 5),
    { method: 'sampled', maxSamples: 4096, reference: 2 },
  ],
];

describe.each(availableBackends)('a matrix on %s', (backend) => {
  it.each(WAYS)('%s is told in tiles that make it up, to the last', async (_, given, options) => {
    const { tiles, known, result } = await watched(given, { backend, ...options });
    const [height, width] = [result.gram.length, result.gram[0].length];
    const outputs = result.perOutput?.names.length ?? 0;
    const { gram, slices } = joined(tiles, height, width, outputs);
    expect(gram).toEqual(result.gram);
    if (result.perOutput) expect(slices).toEqual(result.perOutput.gram);
    expect(tiles.map(({ last }) => last)).toEqual([...tiles.slice(1).map(() => false), true]);
    expect(known).toEqual([...known].sort((a, b) => a - b));
    const { matrix } = tiles[0];
    expect(matrix).toMatchObject({ rows: height, columns: width, slices: outputs, wanted: result.work.pairs });
    expect(known.at(-1)).toBe(result.work.pairs);
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        expect(matrix.product(row, column)).toEqual({ value: result.gram[row][column], exponent: 0 });
        expect(matrix.cosine(row, column)).toBe(result.cosine[row][column]);
        for (let s = 0; s < outputs; s++) {
          expect(matrix.product(row, column, s)?.value).toBe(result.perOutput!.gram[s][row][column]);
          expect(matrix.cosine(row, column, s)).toBe(result.perOutput!.cosine[s][row][column]);
        }
      }
    }
    const [{ cosineError, rows, columns, rowIndices, columnIndices }] = tiles;
    expect(cosineError === undefined).toBe(result.cosineError === undefined);
    for (const [i, { rows: places }] of rowIndices.entries()) {
      for (const [j, { columns: others }] of columnIndices.entries()) {
        for (const x of places) {
          for (const y of others) {
            if (cosineError) expect(cosineError[i * columns.length + j]).toBe(result.cosineError![x][y]);
            if ('labels' in result) expect([rows[i], columns[j]]).toEqual([result.labels[x], result.labels[y]]);
          }
        }
      }
    }
  });

  it('is read while it grows: what is not known is undefined, and what is known stays', async () => {
    const seen = new Map<string, number>();
    let unknown = 0;
    const onTile = ({ matrix }: FinishedTile) => {
      for (let row = 0; row < matrix.rows; row++) {
        for (let column = 0; column < matrix.columns; column++) {
          const product = matrix.product(row, column);
          expect(product !== undefined).toBe(matrix.isKnown(row, column));
          if (product === undefined) {
            unknown++;
            expect(matrix.cosine(row, column)).toBeUndefined();
            continue;
          }
          const key = `${row} ${column}`;
          expect(seen.get(key) ?? product.value).toBe(product.value);
          seen.set(key, product.value);
        }
      }
    };
    const { gram } = await similarityMatrix(list.slice(0, 20), { backend, onTile, window: 4, memoryLimit: 8000 });
    expect(unknown).toBeGreaterThan(0);
    const wanted = gram.flatMap((row, i) =>
      [...row].flatMap((value, j) => (Number.isNaN(value) ? [] : [[i, j, value]])),
    );
    expect(seen.size).toBe(wanted.length);
    for (const [i, j, value] of wanted) expect(seen.get(`${i} ${j}`)).toBe(value);
  });

  it('that is in a state file is told at once: as known, with an end and no tile', async () => {
    const state = join(root, `${backend}.state`);
    const options = { backend, state, route: 'factor' } as const;
    const first = await watched(list.slice(0, 20), options);
    const again = await watched(list.slice(0, 20), options);
    expect(again.result.gram).toEqual(first.result.gram);
    expect(again.tiles).toMatchObject([{ rows: [], columns: [], last: true, matrix: { known: 210, wanted: 210 } }]);
    expect(again.tiles[0].matrix.cosine(3, 5)).toBe(first.result.cosine[3][5]);
    const more = await watched(list.slice(0, 25), options);
    expect(more.known[0]).toBeGreaterThan(210);
    expect(more.tiles.at(-1)).toMatchObject({ last: true, matrix: { known: 325, wanted: 325 } });
    // Of what the file has, only what is wanted counts.
    const band = await watched(list.slice(0, 25), { ...options, window: 1 });
    expect(band.tiles).toMatchObject([{ last: true, matrix: { known: 49, wanted: 49 } }]);
  });

  it('has products out of the range of numbers with their exponents', async () => {
    const draw = random(9);
    const huge = [0, 1, 2].map((i) => {
      const block = randomBlock(draw, { inputs: 3, hidden: 2, outputs: 2 });
      return modelOf([{ ...block, beta: 2 ** 600 }], `huge ${i}`);
    });
    const { tiles, result } = await watched(huge, { backend, perOutput: true });
    const [{ gram, perOutput, matrix }] = tiles;
    expect([...gram, ...perOutput!].every((value) => Math.abs(value) === Number.POSITIVE_INFINITY)).toBe(true);
    const { value, exponent } = matrix.product(0, 0)!;
    const { log2Norms } = (result as SimilarityMatrix).beyondRange!;
    expect((Math.log2(value) + exponent) / 2).toBeCloseTo(log2Norms[0], 10);
    expect(matrix.cosine(0, 1)).toBe(result.cosine[0][1]);
    expect(matrix.cosine(0, 1, 1)).toBe(result.perOutput!.cosine[1][0][1]);
  });

  it('ends with what a listener throws', async () => {
    const onTile = () => {
      throw new Error('listener');
    };
    await expect(similarityMatrix(list, { backend, onTile })).rejects.toThrow('listener');
  });
});

describe('cells', () => {
  it('tell all who subscribe, until they have had enough', async () => {
    const numbers = Int32Array.of(0, 1, 2);
    const cells = new Cells({ rows: numbers, columns: numbers, count: 3, slices: 0, window: null });
    const [first, second]: Change[][] = [[], []];
    const end = cells.subscribe((change) => first.push(change));
    cells.subscribe((change) => second.push(change));
    cells.expect(6, 6);
    expect([cells.known, cells.isKnown(0, 0), cells.product(2, 1)]).toEqual([0, false, undefined]);
    const job = { rows: [0, 1], columns: [0, 1], symmetric: true };
    await cells.put(job, { total: Float64Array.of(4, 2, 2, 9) }, new Pacer());
    end();
    const rest = { rows: [2], columns: [0, 1, 2], symmetric: false };
    await cells.put(rest, { total: Float64Array.of(1, 3, 1) }, new Pacer());
    expect(first).toMatchObject([{ job, last: false }]);
    expect(second).toMatchObject([
      { job, last: false },
      { job: rest, last: true },
    ]);
    expect(cells.cosine(1, 0)).toBe(2 / 6);
    expect(cells.cosine(1, 2)).toBe(1);
    expect(cells.known).toBe(6);
  });
});
