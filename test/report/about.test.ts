import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  loadModel,
  similarity,
  similarityMatrix,
  writeBlocks,
  writeExplanation,
  writeReport,
} from '../../lib/index.js';
import { shellWord } from '../../lib/words/shell.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { blocksOf } from './blocks_fixture.js';
import { formsOf } from './explain_fixture.js';
import { matrixOf, symmetric } from './helpers.js';

const folder = temporaryFolder();
const paths = [0, 1].map((i) => join('examples', 'digits-backdoor', `step_0${6000 + 200 * i}.safetensors`));
const digests = paths.map((path) => createHash('sha256').update(readFileSync(path)).digest('hex'));

describe('where a page came from', () => {
  it('is in every result, as the files were read', async () => {
    const expected = paths.map((file, i) => ({ file, sha256: digests[i] }));
    const { sources } = await similarityMatrix(paths);
    expect(sources).toEqual(expected);
    const cross = await similarityMatrix(paths, { reference: 0 });
    expect([cross.rowSources, cross.columnSources]).toEqual([expected, expected.slice(0, 1)]);
    const [a, b] = await Promise.all(paths.map((path) => loadModel(path)));
    expect((await similarity(a, b)).sources).toEqual(expected);
  });

  it('is told with command, date, sizes and digests, for every kind of result', async () => {
    const [a, b] = await Promise.all(paths.map((path) => loadModel(path)));
    const results = [
      await similarityMatrix(paths),
      await similarityMatrix(paths, { reference: 0 }),
      await similarity(a, b),
    ];
    for (const result of results) {
      const file = join(folder, 'page.html');
      const before = Date.now();
      await writeReport(result, file, { command: "tensim <b> 'x y'" });
      const html = readFileSync(file, 'utf8');
      expect(html).toContain('<th>command</th><td>tensim &#60;b&#62; &#39;x y&#39;</td>');
      const [, written] = /<th>written<\/th><td>([^<]*)<\/td>/.exec(html)!;
      expect(Math.abs(Date.parse(written) - before)).toBeLessThan(60_000);
      for (const [i, path] of paths.entries()) {
        expect(html).toContain(digests[i]);
        expect(html).toContain(`(${readFileSync(path).length} bytes)`);
      }
    }
  });

  it('is told on pages of explanations and of blocks too', async () => {
    for (const [name, write] of Object.entries({
      explain: (file: string) => writeExplanation(formsOf(), file, { command: 'tensim explain a b' }),
      blocks: (file: string) => writeBlocks(blocksOf(), file, { command: 'tensim blocks a b' }),
    })) {
      const file = join(folder, `${name}.html`);
      await write(file);
      const html = readFileSync(file, 'utf8');
      expect(html).toContain(`<th>command</th><td>tensim ${name} a b</td>`);
      expect(html).toMatch(/<th>written<\/th><td>\d{4}-\d\d-\d\dT/);
    }
  });

  it('leaves out what is not known: of arrays nothing, of files that are gone the size', async () => {
    const cosine = symmetric(2, () => 0.5);
    const file = join(folder, 'page.html');
    await writeReport(matrixOf(['a', 'b'], cosine), file);
    expect(readFileSync(file, 'utf8')).not.toContain('class="outputs files"');
    writeFileSync(join(folder, 'here'), '12345');
    const sources = [
      { file: join(folder, 'here'), sha256: 'ab' },
      { file: join(folder, 'gone'), revision: 'cd' },
    ];
    await writeReport(matrixOf(['a', 'b'], cosine, undefined, { sources }), file);
    const html = readFileSync(file, 'utf8');
    expect(html).toContain('5 B (5 bytes)');
    expect(html).toContain(`${join(folder, 'gone')}, commit cd</td><td></td><td></td>`);
  });

  it('has words as a shell takes them', () => {
    expect(['a/b-c_1.2', '', 'a b', "it's", '$x', '--in=1,2', 'é', 'a\nb'].map(shellWord)).toEqual([
      ...['a/b-c_1.2', "''", "'a b'", `'it'\\''s'`, "'$x'", '--in=1,2', "'é'", "'a\\u{a}b'"],
    ]);
  });
});
