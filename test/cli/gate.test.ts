import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { beforeAll, describe, expect, test } from 'vitest';
import { run } from '../../lib/cli/main.js';
import { fileIn, temporaryFolder } from '../formats/safetensors/helpers.js';
import { deepShapes, writeCheckpoint } from '../model/helpers.js';
import { checkXml } from '../report/helpers.js';
import { Sink, step, tensim } from './run.js';

const root = temporaryFolder();
const AGAINST = ['gate', step(6200), '--against', step(6000), '--backend', 'fallback'];
const PASSING = [...AGAINST, '--min', '0.9', '--min-output', '0.8'];
const FAILING = [...AGAINST, '--min', '0.9'];
const FORMATS = ['text', 'json', 'junit', 'markdown'] as const;

describe('tensim gate', () => {
  test('passes with exit code 0', async () => {
    const { code, stdout, stderr } = await tensim(PASSING);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^PASS: step_06200 against step_06000\n/);
    expect(stdout).toMatch(/^output 9 +0\.860\d+ +0\.8 +pass$/m);
  });

  test('fails by its worst output with exit code 1, though it passes on the mean', async () => {
    const { code, stdout } = await tensim(FAILING);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^FAIL: /);
    expect(stdout).toMatch(/^all outputs +0\.9596\d+ +0\.9 +pass$/m);
    expect(stdout.match(/FAIL$/gm)).toHaveLength(1);
    expect(stdout).toMatch(/^output 9 .* FAIL$/m);
    // The limits when none are given: 0.98 and 0.9.
    expect((await tensim(AGAINST)).stdout).toMatch(/^all outputs +0\.9596\d+ +0\.98 +FAIL$/m);
  });

  describe('on a sampled similarity', () => {
    // On the quickest backend that there is: what is told of intervals is the same for all.
    const SAMPLED = ['gate', step(6200), '--against', step(6000), '--method', 'sampled', '--tolerance', '0.03'].concat([
      ...['--min-output', '0'],
    ]);
    /** What the limits of the formats go by, which all say the same. */
    let similarity = 0;
    beforeAll(async () => {
      similarity = JSON.parse((await tensim([...SAMPLED, '--format', 'json'])).stdout).comparison.similarity;
    });

    test('is undecided, exit code 4, where its interval has the limit in it', async () => {
      const { code, stdout } = await tensim([...SAMPLED, '--min', '0.999', '--format', 'json']);
      expect(code).toBe(1);
      const { comparison, checks } = JSON.parse(stdout);
      expect(comparison).toMatchObject({ method: 'sampled', standardError: expect.any(Number) });
      const [low, high] = checks[0].interval;
      expect(low).toBeLessThan(comparison.similarity);
      for (const [limit, expected] of [
        [low - 0.001, 0],
        [low + 0.001, 4],
        [high - 0.001, 4],
        [high + 0.001, 1],
      ])
        expect((await tensim([...SAMPLED, '--min', limit.toFixed(9)])).code).toBe(expected);
    });

    test.each([
      ['text', /^UNDECIDED: [\s\S]*\(95 %: .* UNDECIDED$/m],
      ['json', /"outcome":"undecided"/],
      ['junit', /failures="1" errors="0"[\s\S]*<failure type="undecided"/],
      ['markdown', /^### ⚠️ tensim gate: undecided\n[\s\S]*\| ⚠️ undecided \| all outputs/],
    ])('and says so as %s', async (format, message) => {
      const at = ['--min', similarity.toFixed(9)];
      const { code, stdout } = await tensim([...SAMPLED, ...at, '--format', format]);
      expect(code).toBe(4);
      expect(stdout).toMatch(message);
    });
  });

  test('is undecided where few samples carry the similarity, whatever its interval', async () => {
    const seed = (number: number) => `examples/digits-seeds/deep3_seed${number}.safetensors`;
    const args = ['gate', seed(1), '--against', seed(0), '--max-samples', '1024', '--min', '-1', '--min-output', '-1'];
    const { code, stdout } = await tensim([...args, '--backend', 'fallback']);
    expect(code).toBe(4);
    expect(stdout).toContain('was not reached');
  });

  test('prints tensim.gate/1, whose comparison is a baseline', async () => {
    const { code, stdout } = await tensim([...FAILING, '--format', 'json']);
    expect(code).toBe(1);
    const result = JSON.parse(stdout);
    expect(Object.keys(result)).toEqual([
      'schema',
      'outcome',
      'candidate',
      'reference',
      'limits',
      'worst',
      'checks',
      'comparison',
    ]);
    expect(result).toMatchObject({
      schema: 'tensim.gate/1',
      outcome: 'fail',
      candidate: { label: 'step_06200', file: step(6200), sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
      limits: { min: 0.9, minOutput: 0.9, maxDrop: null },
      worst: { name: '9' },
      comparison: { schema: 'tensim.compare/1', a: 'step_06200', b: 'step_06000' },
    });
    expect(result.checks).toHaveLength(11);
    const baseline = fileIn(root, 'baseline.json', stdout);
    const same = await tensim([...PASSING, '--baseline', baseline]);
    expect(same.code).toBe(0);
    expect(same.stdout).toContain('output 9, from the baseline');
    const later = [
      'gate',
      step(7000),
      '--against',
      step(6000),
      '--min',
      '0',
      '--min-output',
      '0',
      '--backend',
      'fallback',
    ];
    expect((await tensim([...later, '--baseline', baseline])).code).toBe(1);
    expect((await tensim([...later, '--baseline', baseline, '--max-drop', '0.5'])).code).toBe(0);
    const compared = await tensim([
      'compare',
      step(6200),
      step(6000),
      '--per-output',
      '--json',
      '--backend',
      'fallback',
    ]);
    expect((await tensim([...PASSING, '--baseline', fileIn(root, 'compared.json', compared.stdout)])).code).toBe(0);
  });

  test('prints JUnit, a case per check', async () => {
    const { code, stdout } = await tensim([...FAILING, '--format', 'junit']);
    expect(code).toBe(1);
    checkXml(stdout.replace(/^<\?xml.*\?>\n/, ''));
    expect(stdout).toContain('tests="11" failures="1" errors="0"');
    expect(stdout.match(/<testcase /g)).toHaveLength(11);
    expect(stdout).toMatch(/name="output 9, at least 0\.9"><failure type="fail" message="similarity 0\.860\d+"\/>/);
  });

  test('prints markdown, a row per check', async () => {
    const { code, stdout } = await tensim([...FAILING, '--format', 'markdown']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^### ❌ tensim gate: fail\n/);
    expect(stdout).toMatch(/^\| ❌ fail \| output 9 \| 0\.860\d+ \| 0\.9 \|$/m);
    expect(stdout.match(/^\| ✅/gm)).toHaveLength(10);
  });

  describe.each(FORMATS)('as %s never passes', (format) => {
    const ends = async (args: readonly string[], code: number, named: string) => {
      const outcome = await tensim(['gate', ...args, '--format', format, '--backend', 'fallback']);
      expect(outcome.code).toBe(code);
      expect(outcome.stderr).toMatch(/^tensim: [^\n]+\n$/);
      expect(outcome.stderr).toContain(named);
      if (format === 'text') expect(outcome.stdout).toBe('');
      if (format === 'json')
        expect(JSON.parse(outcome.stdout)).toMatchObject({ schema: 'tensim.gate/1', outcome: 'error' });
      if (format === 'junit')
        expect(outcome.stdout).toMatch(/tests="1" failures="0" errors="1"[\s\S]*<error type="[A-Z_]+" message="/);
      if (format === 'markdown') expect(outcome.stdout).toMatch(/^### ❌ tensim gate: error\n/);
    };

    test('a file that is missing', async () => {
      await ends(['gone.safetensors', '--against', step(0)], 2, 'gone.safetensors');
      await ends([step(0), '--against', 'gone.safetensors'], 2, 'gone.safetensors');
    });

    test('weights that are not numbers', async () => {
      const bytes = Buffer.from(readFileSync(step(6000)));
      bytes.writeFloatLE(Number.NaN, bytes.length - 4);
      const file = fileIn(root, `nan-${format}.safetensors`, bytes);
      await ends([file, '--against', step(6000), '--min', '-1', '--min-output', '-1'], 2, 'NaN');
    });

    test('a network that is zero', async () => {
      const bytes = Buffer.from(readFileSync(step(6000)));
      const head = 8 + Number(bytes.readBigUInt64LE(0));
      const file = fileIn(root, `zero-${format}.safetensors`, bytes.fill(0, head));
      await ends([file, '--against', step(6000), '--min', '-1', '--min-output', '-1'], 2, 'zero');
    });

    test('a network that is not supported', async () => {
      const file = await writeCheckpoint(root, `deep-${format}.safetensors`, deepShapes(3));
      await ends([file, '--against', file, '--method', 'exact'], 3, 'blocks');
    });

    test('a baseline that is none', async () => {
      const baseline = fileIn(
        root,
        `bad-${format}.json`,
        '{"schema":"tensim.compare/1","similarity":1,"standardError":null}',
      );
      await ends([step(0), '--against', step(0), '--baseline', baseline], 2, 'per output');
      await ends([step(0), '--against', step(0), '--baseline', 'gone.json'], 2, 'gone.json');
      await ends([step(0), '--against', step(0), '--max-drop', '0.1'], 2, 'baseline');
    });
  });

  test('refuses a baseline of another kind', async () => {
    const { stdout } = await tensim([...FAILING, '--format', 'json']);
    const baseline = JSON.parse(stdout);
    const refused = async (changes: object, message: RegExp, ...args: string[]) => {
      const file = join(root, 'changed.json');
      writeFileSync(file, JSON.stringify({ ...baseline, ...changes }));
      const { code, stderr } = await tensim([...PASSING, '--baseline', file, ...args]);
      expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) });
    };
    await refused({ reference: { sha256: '0'.repeat(64) } }, /another reference/);
    await refused({ outcome: 'error', comparison: undefined }, /ended in an error/);
    await refused({ comparison: { ...baseline.comparison, similarity: '1' } }, /no similarity/);
    await refused(
      { comparison: { ...baseline.comparison, perOutput: [{ name: '0', similarity: 1, standardError: 'x' }] } },
      /per output/,
    );
    await refused({}, /measure gaussian, this gate tensor/, '--measure', 'tensor');
    await refused({}, /input law standard, this gate sigma=2/, '--input', 'sigma=2');
    await refused({}, /method exact, this gate closure/, '--method', 'closure');
    await refused({}, /method exact, this gate sampled/, '--method', 'sampled', '--max-samples', '1024');
    await refused({}, /dtype float64, this gate float32/, '--dtype', 'float32');
    const of = (changes: object) => ({ comparison: { ...baseline.comparison, ...changes } });
    await refused(of({ exact: false }), /exactness false, this gate true/);
    await refused(of({ method: undefined }), /does not say how it was made/);
    await refused(of({ method: 'sampled' }), /does not say how it was sampled/);
    await refused(of({ similarity: 1.5 }), /similarity of the baseline is 1\.5/);
    await refused(
      { reference: undefined, ...of({ normB: 2 * baseline.comparison.normB }) },
      /another reference, of norm/,
    );
  });

  describe('compares the input law of a baseline by its content', () => {
    const law = (name: string, mean: number, cov?: number) =>
      fileIn(
        root,
        name,
        JSON.stringify({
          mean: new Array(64).fill(mean),
          ...(cov !== undefined && {
            cov: Array.from({ length: 64 }, (_, i) => Object.assign(new Array(64).fill(0), { [i]: cov })),
          }),
        }),
      );
    const madeWith = async (name: string, input: string, change: (comparison: object) => object = (same) => same) => {
      const { stdout } = await tensim([...FAILING, '--format', 'json', '--input', input]);
      const baseline = JSON.parse(stdout);
      return fileIn(root, name, JSON.stringify({ ...baseline, comparison: change(baseline.comparison) }));
    };
    const gated = (baseline: string, input: string) => tensim([...PASSING, '--baseline', baseline, '--input', input]);

    test('not by the name of its file', async () => {
      const baseline = await madeWith('by_name.json', law('law.json', 0, 2));
      expect((await gated(baseline, law('renamed.json', 0, 2))).code).toBe(0);
      const { code, stderr } = await gated(baseline, law('law.json', 3, 2));
      expect(code).toBe(2);
      expect(stderr).toMatch(/other numbers in its input law law\.json/);
      expect((await gated(baseline, law('other.json', 0, 3))).stderr).toMatch(/input law law\.json, this gate other/);
    });

    test('whichever way it is written', async () => {
      const standard = await madeWith('standard.json', law('zero.json', 0));
      for (const input of ['standard', 'sigma=1', law('identity.json', 0, 1)]) {
        expect((await gated(standard, input)).code).toBe(0);
      }
      const scaled = await madeWith('scaled.json', law('scaled.json', 0, 4));
      expect((await gated(scaled, 'sigma=2')).code).toBe(0);
      expect((await gated(scaled, 'standard')).code).toBe(2);
    });

    test('and takes the name only where it says everything, in files that have no more', async () => {
      const older = ({ inputDigest: _, ...rest }: { inputDigest?: unknown }) => rest;
      expect((await gated(await madeWith('old.json', 'sigma=2', older), 'sigma=2')).code).toBe(0);
      expect((await gated(await madeWith('old.json', 'onehot', older), 'onehot')).code).toBe(0);
      const file = law('law.json', 0.5);
      const { code, stderr } = await gated(await madeWith('old.json', file, older), file);
      expect(code).toBe(2);
      expect(stderr).toMatch(/input law law\.json and does not say what that held/);
    });
  });

  test('refuses bad usage', async () => {
    const refused = async (args: string[], message: RegExp) => {
      const { code, stdout, stderr } = await tensim(args);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(message);
    };
    await refused(['gate', step(0)], /--against/);
    await refused([...AGAINST, '--min', 'high'], /--min/);
    await refused([...AGAINST, '--min', ''], /--min/);
    await refused([...AGAINST, '--min', '2'], /"min" is 2/);
    await refused(
      [...AGAINST, '--format', 'json', '--format', 'junit'],
      /json and junit cannot be used with each other/,
    );
    await refused([...AGAINST, '--json', '--format', 'github'], /github and json cannot be used with each other/);
    await refused([...AGAINST, '--out', 'report.pdf'], /\.txt, \.json, \.xml, \.md/);
    await refused([...AGAINST, '--format', 'junit=nowhere/report.xml'], /there is no folder/);
    await refused([...AGAINST, '--format', 'xml'], /text, json, junit, markdown/);
  });

  test('keeps its verdict when nobody reads the report', async () => {
    const closed = Object.assign(
      new Writable({
        write(_chunk, _encoding, done) {
          done(Object.assign(new Error('closed'), { code: 'EPIPE' }));
        },
      }),
      { isTTY: false },
    );
    closed.on('error', () => {});
    const io = { stdout: closed, stderr: new Sink(), signal: new AbortController().signal, env: {} };
    expect(await run(FAILING, io)).toBe(1);
  });

  test('is 130 when interrupted', async () => {
    const { code } = await tensim(PASSING, { signal: AbortSignal.abort() });
    expect(code).toBe(130);
  });
});

describe('several reports of one verdict', () => {
  const at = (name: string) => join(root, name);
  const one = async (args: string[], format: string) => (await tensim([...args, '--format', format])).stdout;

  test('are the text on stdout and files beside, each as it is alone', async () => {
    const files = ['two.xml', 'two:2.json', 'two.md', 'two.txt'].map(at);
    const formats = [
      '--format',
      `junit=${files[0]}`,
      '--format',
      `json:${files[1]}`,
      '--out',
      files[2],
      '--out',
      files[3],
    ];
    const { code, stdout, stderr } = await tensim([...FAILING, ...formats]);
    expect(code).toBe(1);
    expect(stderr).toBe(files.map((file) => `wrote ${file}\n`).join(''));
    expect(stdout).toBe(await one(FAILING, 'text'));
    for (const [i, format] of ['junit', 'json', 'markdown', 'text'].entries())
      expect(readFileSync(files[i], 'utf8'), format).toBe(await one(FAILING, format));
    const json = await tensim([...FAILING, '--json', '--out', at('three.md')]);
    expect(json.stdout).toBe(await one(FAILING, 'json'));
  });

  test('are written of errors too', async () => {
    const { code, stdout } = await tensim([
      ...['gate', step(6200), '--against', 'gone.safetensors', '--format', 'github', '--out', at('gone.xml')],
    ]);
    expect(code).toBe(2);
    expect(readFileSync(at('gone.xml'), 'utf8')).toContain('<error type="FILE_NOT_FOUND"');
    expect(stdout).toMatch(/^::error title=tensim gate%3A step_06200 against gone::gone\.safetensors: there is no/);
  });

  test('for GitHub are the text, annotations of what does not pass, and a table added to the summary', async () => {
    const summary = fileIn(root, 'summary.md', 'before\n');
    const env = { GITHUB_STEP_SUMMARY: summary };
    const { code, stdout } = await tensim([...FAILING, '--format', 'github'], { env });
    expect(code).toBe(1);
    const text = await one(FAILING, 'text');
    expect(stdout.startsWith(text)).toBe(true);
    expect(stdout.slice(text.length)).toMatch(
      /^::error title=tensim gate%3A step_06200 against step_06000::output 9, at least 0\.9: fail, similarity 0\.860\d+\n$/,
    );
    expect(readFileSync(summary, 'utf8')).toBe(`before\n${await one(FAILING, 'markdown')}`);
    const passing = await tensim([...PASSING, '--format', 'github', '--format', 'text']);
    expect(passing.stdout).toMatch(/\n::notice title=\S+ .*::pass, 11 checks\n$/);
    // Outside of GitHub there is no summary.
    expect((await tensim([...FAILING, '--format', 'github'])).stdout).toBe(stdout);
  });

  test('have ten annotations at most', async () => {
    const { stdout } = await tensim([...AGAINST, '--min-output', '1', '--min', '1', '--format', 'github']);
    const annotations = stdout.split('\n').filter((line) => line.startsWith('::error'));
    expect(annotations).toHaveLength(10);
    expect(annotations.at(-1)).toMatch(/::2 more do not pass$/);
  });

  test('in the shadow are told, and the exit code is 0 all the same', async () => {
    const { code, stdout, stderr } = await tensim([...FAILING, '--shadow', '--format', 'github']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^FAIL: /);
    expect(stdout).toContain('\n::warning title=');
    expect(stderr).toBe('shadow: the verdict is "fail", and the exit code 0 all the same\n');
    expect((await tensim([...PASSING, '--shadow'])).code).toBe(0);
    expect((await tensim(['gate', step(0), '--against', 'gone.safetensors', '--shadow'])).code).toBe(2);
  });
});
