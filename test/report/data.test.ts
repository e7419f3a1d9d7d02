import { inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareCsv, matrixCsv } from '../../lib/report/csv.js';
import { csvLine } from '../../lib/report/csv_line.js';
import { compareJson, matrixJson, matrixJsonText } from '../../lib/report/json.js';
import { matrixNpy } from '../../lib/report/npy.js';
import { encodePng, type Rgb } from '../../lib/report/png.js';
import { jsonText, oneLine } from '../../lib/words/quoting.js';
import { comparison, csvFields, matrixOf, NASTY, parseCsv, SLICES, symmetric } from './helpers.js';

const { NaN: nan } = Number;
const nasty = matrixOf(
  NASTY,
  symmetric(NASTY.length, (i, j) => 1 / (1 + i + j)),
  { 'tensor, "0"': symmetric(NASTY.length, () => nan) },
);

describe('JSON', () => {
  it('of a comparison follows the contract, in order', () => {
    const json = compareJson(comparison());
    expect(Object.keys(json).join()).toBe(
      'schema,a,b,measure,method,exact,route,estimates,standardError,sampling,input,dtype,backend,similarity,distance,distanceResolution,dissimilarity,fidelityError,relativeDistance,innerProduct,normA,normB',
    );
    expect(json).toMatchObject({
      schema: 'tensim.compare/1',
      a: 'step_06000',
      standardError: null,
      sampling: null,
      similarity: 0.9596,
    });
    expect(compareJson(comparison({ perOutput: SLICES })).perOutput).toEqual(SLICES);
  });

  it('of a matrix follows the contract, in order', () => {
    const keys =
      'schema,labels,measure,method,exact,route,estimates,standardError,sampling,input,dtype,backend,window,same,cosine,gram';
    expect(Object.keys(matrixJson(matrixOf(['a'], [Float64Array.of(1)]))).join()).toBe(keys);
    expect(Object.keys(matrixJson(nasty)).join()).toBe(`${keys},perOutput`);
    expect(Object.keys(matrixJson(nasty).perOutput as object)).toEqual(['names', 'cosine', 'gram']);
  });

  it('writes null for what is undefined, and full precision for the rest', () => {
    const json = matrixJson(
      matrixOf(
        ['a', 'b'],
        symmetric(2, () => 1 / 3),
        { 0: symmetric(2, () => nan) },
      ),
    );
    expect(json).toMatchObject({
      cosine: [
        [1, 1 / 3],
        [1 / 3, 1],
      ],
      perOutput: {
        cosine: [
          [
            [1, null],
            [null, 1],
          ],
        ],
      },
    });
    expect(JSON.stringify(json)).not.toContain('NaN');
  });

  it('in pieces is the same text as at once', () => {
    const empty = matrixOf([], [], {});
    for (const matrix of [nasty, matrixOf(['a'], [Float64Array.of(1)]), empty])
      expect([...matrixJsonText(matrix)].join('')).toBe(`${jsonText(matrixJson(matrix))}\n`);
  });
});

describe('CSV', () => {
  it('reads back any fields', () => {
    const fields = fc.array(fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(...NASTY)), { minLength: 1 });
    fc.assert(
      fc.property(fields, (row) => {
        expect(parseCsv(csvLine(row))).toEqual([row]);
      }),
    );
  });

  it('has no cell that a spreadsheet takes for a formula, but numbers of ours', () => {
    const begins = ['=1+1', '+1', '-1', '@SUM(1)', '\t=1', '\r=1', '\n=1', ' =1', '＝1', "'=1", "''-1"];
    for (const label of begins) {
      const [[cell]] = csvFields(csvLine([label]));
      expect(cell).toMatch(/^'/);
      expect(cell.slice(1)).toBe(oneLine(label));
    }
    expect(csvLine(['-0.5', -0.5, 1e-7, Number.NaN, "it's", 'a=b', "'a"])).toBe(`"'-0.5",-0.5,1e-7,,it's,a=b,'a\n`);
  });

  it('shows nothing invisible as it is', () => {
    expect(csvLine(['a\u001b[2J\u009b\u202e\n\ud800', 'a;b'])).toBe(
      '"a\\u{1b}[2J\\u{9b}\\u{202e}\\u{a}\\u{d800}","a;b"\n',
    );
  });

  it('of a matrix has a row per model, exact numbers, and nothing where undefined', () => {
    const [head, ...rows] = parseCsv([...matrixCsv(nasty)].join(''));
    expect(head).toEqual(['output', 'model', ...NASTY]);
    expect(rows).toHaveLength(2 * NASTY.length);
    for (const [i, label] of NASTY.entries()) {
      expect(rows[i].slice(0, 2)).toEqual(['all', label]);
      expect(rows[i].slice(2).map(Number)).toEqual([...nasty.cosine[i]]);
    }
    expect(rows.at(-1)).toEqual(['tensor, "0"', '', ...new Array(NASTY.length - 1).fill(''), '1']);
  });

  it('of a matrix without outputs has no column for them', () => {
    const text = [
      ...matrixCsv(
        matrixOf(
          ['a', 'b'],
          symmetric(2, () => 0.5),
        ),
      ),
    ].join('');
    expect(text).toBe('model,a,b\na,1,0.5\nb,0.5,1\n');
  });

  it('of a comparison has a row for all and one per output', () => {
    const rows = parseCsv([...compareCsv(comparison({ b: NASTY[2], perOutput: SLICES }))].join(''));
    expect(rows.map((row) => row[2])).toEqual(['output', 'all', '0', '1']);
    const numbers = ['0.9596', '13.7', '2012.56', '48.0486', '43.6477'];
    expect(rows[1]).toEqual(['step_06000', NASTY[2], 'all', ...numbers, '0.00001', '0.0404', '0.0813', '0.285']);
    expect(rows[3].slice(3)).toEqual(['', '3', '0', '3', '0', '0.000001', '', '1', '1']);
  });
});

describe('NPY', () => {
  it('reads back as a float64 matrix in C order whose data is aligned', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 12 }),
        fc.float64Array({ minLength: 144, maxLength: 144 }),
        (size, values) => {
          const rows = Array.from({ length: size }, (_, i) => values.slice(i * size, (i + 1) * size));
          const bytes = Buffer.concat([...matrixNpy(rows)]);
          expect(bytes.subarray(0, 8).toString('latin1')).toBe('\x93NUMPY\x01\x00');
          const start = 10 + bytes.readUInt16LE(8);
          expect(start % 64).toBe(0);
          const header = bytes.subarray(10, start).toString('latin1');
          expect(header).toMatch(/^\{'descr': '<f8', 'fortran_order': False, 'shape': \((\d+), \1\), \} *\n$/);
          expect(header).toContain(`(${size}, ${size})`);
          expect(bytes.length).toBe(start + 8 * size * size);
          for (let k = 0; k < size * size; k++)
            expect(Object.is(bytes.readDoubleLE(start + 8 * k), values[k]) || Number.isNaN(values[k])).toBe(true);
        },
      ),
    );
  });
});

describe('PNG', () => {
  it('holds the pixels row by row, the palette, and one transparent colour after it', async () => {
    const palette: Rgb[] = [
      [1, 2, 3],
      [250, 0, 9],
    ];
    const png = await encodePng(Uint8Array.of(0, 1, 2, 1, 1, 0), 3, 2, palette);
    expect(png.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n');
    const chunks = new Map<string, Buffer>();
    for (let at = 8; at < png.length; ) {
      const length = png.readUInt32BE(at);
      chunks.set(png.toString('latin1', at + 4, at + 8), png.subarray(at + 8, at + 8 + length));
      at += 12 + length;
    }
    expect([...chunks.keys()]).toEqual(['IHDR', 'PLTE', 'tRNS', 'IDAT', 'IEND']);
    expect([...chunks.get('IHDR')!]).toEqual([0, 0, 0, 3, 0, 0, 0, 2, 8, 3, 0, 0, 0]);
    expect([...chunks.get('PLTE')!]).toEqual([1, 2, 3, 250, 0, 9, 0, 0, 0]);
    expect([...chunks.get('tRNS')!]).toEqual([255, 255, 0]);
    expect([...inflateSync(chunks.get('IDAT')!)]).toEqual([0, 0, 1, 2, 0, 1, 1, 0]);
    // The checksum of the empty last chunk is the same in every PNG file.
    expect(png.subarray(-4).toString('hex')).toBe('ae426082');
  });
});
