import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TensimError } from '../../lib/errors.js';
import { compareJson, matrixJson } from '../../lib/report/json.js';
import { checkReportFile, reportFormat, writeReport } from '../../lib/report/write.js';
import { comparison, golden, seriesOf } from './helpers.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tensim-report-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('the format', () => {
  it('is that of the ending', () => {
    const files = ['a.json', 'b/c.CSV', './x.y.npy', 'm.svg', '/tmp/r.Html'];
    expect(files.map(reportFormat)).toEqual(['json', 'csv', 'npy', 'svg', 'html']);
  });

  it('of any other ending is an error that lists the endings', () => {
    const known = /\.(?:json|csv|npy|svg|html)$/i;
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.constantFrom('out', 'out.', '.json', 'json', 'a.json/', 'x.htm')),
        (file) => {
          fc.pre(!known.test(file) || file === '.json');
          expect(() => reportFormat(file)).toThrow(
            expect.objectContaining({ code: 'INVALID_ARGUMENT', hint: 'Endings are .json, .csv, .npy, .svg, .html' }),
          );
        },
      ),
    );
  });
});

describe('writing', () => {
  it('makes each format of both kinds of result, and leaves nothing else', async () => {
    const matrix = golden('grokking');
    const starts = { json: '{"schema":', csv: '', npy: '\x93NUMPY', svg: '<svg ', html: '<!doctype html>' };
    for (const [format, start] of Object.entries(starts)) {
      for (const [name, result] of Object.entries({ matrix, compare: comparison() })) {
        const file = join(folder, `${name}.${format}`);
        await writeReport(result, file);
        expect((await readFile(file, 'latin1')).startsWith(start)).toBe(true);
      }
    }
    expect(await readdir(folder)).toHaveLength(10);
    expect(JSON.parse(await readFile(join(folder, 'matrix.json'), 'utf8'))).toEqual(matrixJson(matrix));
    expect(JSON.parse(await readFile(join(folder, 'compare.json'), 'utf8'))).toEqual(compareJson(comparison()));
  });

  it('refuses what is no result, and leaves no file', async () => {
    const { kind, ...unknown } = comparison();
    await expect(writeReport(unknown as never, join(folder, 'x.json'))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      hint: 'Results are of the kinds pair, matrix, cross, measures, ridge',
    });
    expect(await readdir(folder)).toEqual([]);
  });

  it('makes a comparison the 2×2 matrix of its models in NPY', async () => {
    const file = join(folder, 'compare.npy');
    await writeReport(comparison(), file);
    const bytes = await readFile(file);
    expect([0, 1, 2, 3].map((k) => bytes.readDoubleLE(bytes.length - 32 + 8 * k))).toEqual([1, 0.9596, 0.9596, 1]);
  });

  it('replaces what was there', async () => {
    const file = join(folder, 'old.csv');
    await writeFile(file, 'x'.repeat(10_000));
    await writeReport(seriesOf([0.5]), file);
    expect((await readFile(file, 'utf8')).split('\n')).toHaveLength(4);
  });

  it('leaves the old file as it was, and nothing beside it, when it fails half-way', async () => {
    const file = join(folder, 'old.csv');
    await writeFile(file, 'precious');
    const good = seriesOf(new Array(300).fill(0.5));
    const rows = [...good.cosine];
    // A row that cannot be read, long after the first bytes went out.
    Object.defineProperty(rows, 250, {
      get() {
        throw new Error('half-way');
      },
    });
    const error = await writeReport({ ...good, cosine: rows }, file).catch((reason) => reason);
    expect(error.message).toBe('half-way');
    // A mistake of the program is not told as one of its user.
    expect(error).not.toBeInstanceOf(TensimError);
    expect(await readFile(file, 'utf8')).toBe('precious');
    expect(await readdir(folder)).toEqual(['old.csv']);
  });

  it('names the folder that is not there, before and while writing', async () => {
    const file = join(folder, 'missing', 'report.html');
    for (const attempt of [() => checkReportFile(file), () => writeReport(seriesOf([0.5]), file)]) {
      const error = await attempt().catch((reason) => reason);
      expect(error).toBeInstanceOf(TensimError);
      expect(error).toMatchObject({ code: 'FILE_NOT_FOUND', file });
      expect(error.message).toContain(join(folder, 'missing'));
    }
  });

  it('says why the system refuses', async () => {
    // The name is as long as may be; that of the incomplete file is longer.
    const file = join(folder, `${'x'.repeat(250)}.csv`);
    const error = await writeReport(seriesOf([0.5]), file).catch((reason) => reason);
    expect(error).toBeInstanceOf(TensimError);
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', file, cause: { code: 'ENAMETOOLONG' } });
    expect(error.message).toContain('the file cannot be written (ENAMETOOLONG');
    expect(await readdir(folder)).toEqual([]);
  });

  it('refuses to replace a folder', async () => {
    const file = join(folder, 'report.json');
    await mkdir(file);
    await expect(checkReportFile(file)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', file });
    expect(await checkReportFile(join(folder, 'other.json'))).toBe('json');
  });
});
