import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { ABOUT } from '../../lib/cli/about.js';
import { writeSafetensors } from '../../lib/formats/safetensors/write.js';
import { version } from '../../lib/index.js';
import { fileIn, temporaryFolder } from '../formats/safetensors/helpers.js';
import { attentionShapes, bilinearShapes, deepShapes, tensorsOf, writeCheckpoint } from '../model/helpers.js';
import { BACKDOOR, step, tensim } from './run.js';

const root = temporaryFolder();
/** What a terminal is told to empty the line of the cursor. */
const CLEAR_LINE = '\u001b[2K';
const INFO = [
  'measure',
  'method',
  'exact',
  'route',
  'estimates',
  'standardError',
  'sampling',
  'input',
  'inputDigest',
  'dtype',
  'backend',
];
const FALLBACK = ['--backend', 'fallback'];

describe('tensim compare', () => {
  const DIFFERENCE = ['distance', 'distanceResolution', 'dissimilarity', 'fidelityError', 'relativeDistance'];
  const FIELDS = [
    'schema',
    'a',
    'b',
    ...INFO,
    'similarity',
    ...DIFFERENCE,
    'innerProduct',
    'normA',
    'normB',
    'degrees',
  ];

  test('prints the fields of tensim.compare/1 in their order, and nothing on stderr', async () => {
    const { code, stdout, stderr } = await tensim(['compare', step(6000), step(6200), '--json', ...FALLBACK]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const result = JSON.parse(stdout);
    expect(Object.keys(result)).toEqual(FIELDS);
    expect(result).toMatchObject({
      schema: 'tensim.compare/1',
      a: 'step_06000',
      b: 'step_06200',
      measure: 'gaussian',
      method: 'exact',
      exact: true,
      standardError: null,
      sampling: null,
      input: 'standard',
      dtype: 'float64',
      backend: 'fallback',
    });
    expect(result.similarity).toBeCloseTo(0.959635, 6);
    expect(result.similarity).toBeCloseTo(result.innerProduct / result.normA / result.normB, 12);
  });

  test('adds a field per output when asked', async () => {
    const args = ['compare', step(6000), step(6200), '--json', '--per-output', ...FALLBACK];
    const result = JSON.parse((await tensim(args)).stdout);
    expect(Object.keys(result)).toEqual([...FIELDS, 'perOutput']);
    expect(result.perOutput).toHaveLength(10);
    for (const slice of result.perOutput)
      expect(Object.keys(slice)).toEqual(['name', 'similarity', ...DIFFERENCE, 'innerProduct', 'normA', 'normB']);
  });

  test('passes every option on', async () => {
    const options = ['--measure', 'tensor', '--dtype', 'float32', '--input', 'sigma=2', '--threads', '1', ...FALLBACK];
    const result = JSON.parse((await tensim(['compare', step(0), step(200), '--json', ...options])).stdout);
    expect(result).toMatchObject({ measure: 'tensor', dtype: 'float32', input: 'sigma=2', backend: 'fallback' });
  });

  test('tells files of the same name apart by their folders', async () => {
    for (const folder of ['one', 'two']) {
      mkdirSync(join(root, folder));
      await writeCheckpoint(root, `${folder}/net.safetensors`, bilinearShapes());
    }
    const args = ['compare', join(root, 'one/net.safetensors'), join(root, 'two/net.safetensors'), '--json'];
    expect(JSON.parse((await tensim(args)).stdout)).toMatchObject({ a: 'one/net', b: 'two/net', similarity: 1 });
  });

  test('reads both models by a description', async () => {
    const a = await writeCheckpoint(root, 'a.safetensors', { w: [2, 3] });
    const b = await writeCheckpoint(root, 'b.safetensors', { w: [2, 3] });
    const model = fileIn(root, 'linear.json', '{"schema":"tensim.model/1","layers":[{"type":"linear","weight":"w"}]}');
    const { code, stdout } = await tensim(['compare', a, b, '--model', model, '--json']);
    expect({ code, similarity: JSON.parse(stdout).similarity }).toEqual({ code: 0, similarity: 1 });
  });

  test('approximates deep networks when asked to, and says so', async () => {
    const [a, b] = [await writeCheckpoint(root, 'deep_a.safetensors', deepShapes(3)), step(0)];
    const { code, stdout } = await tensim(['compare', a, a, '--method', 'closure', '--input', 'onehot', ...FALLBACK]);
    expect(code).toBe(0);
    expect(stdout).toContain('closure, an approximation of unknown error · input law onehot');
    const json = ['compare', b, b, '--method', 'closure', '--json', ...FALLBACK];
    expect(JSON.parse((await tensim(json)).stdout)).toMatchObject({ method: 'closure', exact: true, similarity: 1 });
    expect((await tensim(['compare', b, b, '--method', 'guess'])).code).toBe(2);
  });

  test('prints text for people, in colour on a terminal only', async () => {
    const args = ['compare', step(6000), step(6200)];
    const plain = await tensim(args);
    expect(plain.stdout).toMatch(/similarity\s+0\.9596/);
    expect(plain.stdout).not.toContain('\u001b');
    expect((await tensim(args, { terminal: true })).stdout).toContain('\u001b[1m');
    expect((await tensim(args, { terminal: true, env: { NO_COLOR: '1' } })).stdout).toBe(plain.stdout);
  });
});

describe('the measure behavioural', () => {
  const DATA = join(root, 'digits.safetensors');
  const behavioural = ['--measure', 'behavioural', '--inputs', DATA, ...FALLBACK];
  beforeAll(async () => {
    const data = Float32Array.from({ length: 20 * 64 }, (_, i) => Math.sin(i * i));
    await writeSafetensors(DATA, new Map([['inputs', { data, shape: [20, 64] }]]));
  });

  test('compares two networks on the inputs of a file', async () => {
    const { code, stdout } = await tensim(['compare', step(6000), step(6200), '--json', ...behavioural]);
    expect(code).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ measure: 'behavioural', input: 'digits.safetensors', behaviour: { inputs: 20 } });
    expect(Object.keys(result.behaviour)).toEqual(['inputs', 'agreement', 'cka']);
    const text = (await tensim(['compare', step(6000), step(6200), ...behavioural])).stdout;
    expect(text).toMatch(/same largest output +\d/);
    expect(text).toMatch(/linear CKA +\d/);
    expect(text).toContain('inputs digits.safetensors');
  });

  test('compares many, and draws a page', async () => {
    const page = join(root, 'behaviour.html');
    const files = [0, 3000, 8000].map(step);
    const { stdout } = await tensim(['matrix', ...files, '--json', '--out', page, ...behavioural]);
    const result = JSON.parse(stdout);
    expect(result.behaviour.cka.map((row: number[], i: number) => row[i])).toEqual([1, 1, 1]);
    expect(result.behaviour.agreement).toHaveLength(3);
    const html = readFileSync(page, 'utf8');
    for (const text of ['<option>linear CKA</option>', '<option>equal largest outputs</option>', 'digits.safetensors'])
      expect(html).toContain(text);
  });

  test('needs inputs, which no other measure takes', async () => {
    const missing = await tensim(['compare', step(0), step(200), '--measure', 'behavioural']);
    expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining('--inputs FILE') });
    const superfluous = await tensim(['compare', step(0), step(200), '--inputs', DATA]);
    expect(superfluous).toMatchObject({ code: 2, stderr: expect.stringContaining('"gaussian" takes no inputs') });
  });

  test('runs attention on token ids, with the settings of --config', async () => {
    const net = await writeCheckpoint(root, 'attention.safetensors', attentionShapes(1));
    const config = fileIn(
      root,
      'settings.json',
      JSON.stringify({ n_head: 2, n_ctx: 3, attn_scale: 0.1, mask: 'none' }),
    );
    const header = "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }\n";
    const tokens = fileIn(
      root,
      'tokens.npy',
      Buffer.concat([
        Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
        Buffer.of(header.length, 0),
        Buffer.from(header),
        Buffer.from(Int32Array.of(0, 1, 2, 4, 3, 0).buffer),
      ]),
    );
    const args = ['compare', net, net, '--json', '--measure', 'behavioural', '--inputs', tokens, ...FALLBACK];
    expect(await tensim(args)).toMatchObject({ code: 2, stderr: expect.stringContaining('"n_ctx"') });
    const { stdout } = await tensim([...args, '--config', config]);
    expect(JSON.parse(stdout)).toMatchObject({ similarity: 1, behaviour: { inputs: 2, agreement: 1, cka: 1 } });
    const { stdout: found } = await tensim(['inspect', net, '--config', config]);
    expect(found).toContain('3 positions of 5 inputs to 5 outputs, degree 5');
  });
});

describe('tensim matrix', () => {
  test('prints the fields of tensim.matrix/1 in their order', async () => {
    const args = ['matrix', step(400), step(0), step(200), '--json', '--per-output', ...FALLBACK];
    const { code, stdout, stderr } = await tensim(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const result = JSON.parse(stdout);
    expect(Object.keys(result)).toEqual([
      ...['schema', 'labels', 'order', ...INFO, 'window', 'same', 'cosine', 'gram', 'perOutput'],
    ]);
    expect(result.order).toEqual({ by: 'metadata', key: 'step' });
    expect(result.schema).toBe('tensim.matrix/1');
    expect(result.labels).toEqual(['step_00000', 'step_00200', 'step_00400']);
    for (const matrix of [result.cosine, ...result.perOutput.cosine]) {
      for (const [i, row] of matrix.entries()) {
        expect(row).toHaveLength(3);
        expect(row[i]).toBe(1);
        for (const [j, value] of row.entries()) expect(value).toBe(matrix[j][i]);
      }
    }
    expect(result.perOutput.cosine).toHaveLength(10);
    expect(result.gram[0][1] / Math.sqrt(result.gram[0][0]) / Math.sqrt(result.gram[1][1])).toBeCloseTo(
      result.cosine[0][1],
      12,
    );
  });

  test('takes folders and quoted patterns', async () => {
    const labels = async (...patterns: string[]) =>
      JSON.parse((await tensim(['matrix', ...patterns, '--measure', 'weights', '--json'])).stdout).labels;
    expect(await labels(BACKDOOR)).toHaveLength(41);
    expect(await labels(`${BACKDOOR}/step_0[78]*0.safetensors`)).toEqual(
      ['07000', '07200', '07400', '07600', '07800', '08000'].map((number) => `step_${number}`),
    );
  });

  test('compares weights of models that cannot be compared as functions', async () => {
    const a = await writeCheckpoint(root, 'deep_a.safetensors', deepShapes(3));
    const b = await writeCheckpoint(root, 'deep_b.safetensors', deepShapes(3), { scale: '0.5' });
    const { code, stdout } = await tensim(['matrix', a, b, '--measure', 'weights', '--json']);
    expect({ code, cosine: JSON.parse(stdout).cosine }).toEqual({
      code: 0,
      cosine: [
        [1, 1],
        [1, 1],
      ],
    });
  });

  test('writes every report asked for, says so on stderr, and prints the result all the same', async () => {
    const files = ['json', 'csv', 'npy', 'svg', 'html'].map((ending) => join(root, `report.${ending}`));
    const out = files.flatMap((file) => ['--out', file]);
    const { code, stdout, stderr } = await tensim(['matrix', step(0), step(200), ...out, '--json']);
    expect(code).toBe(0);
    expect(stderr).toBe(files.map((file) => `wrote ${file}\n`).join(''));
    expect(readFileSync(files[0], 'utf8')).toBe(stdout);
    for (const file of files) expect(readFileSync(file).length).toBeGreaterThan(0);
  });
});

describe('tensim inspect', () => {
  test('prints the fields of tensim.inspect/1 in their order', async () => {
    const { code, stdout, stderr } = await tensim(['inspect', step(6000), '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const result = JSON.parse(stdout);
    expect(Object.keys(result)).toEqual([
      'schema',
      'file',
      'revision',
      'files',
      'sha256',
      'family',
      'settings',
      'description',
      'layers',
      'positions',
      'inputs',
      'outputs',
      'degree',
      'method',
      'closes',
      'parameters',
      'prefix',
      'setAside',
      'tied',
      'metadata',
      'tensors',
      'problems',
    ]);
    expect(result).toMatchObject({
      schema: 'tensim.inspect/1',
      family: 'bilinear',
      inputs: 64,
      outputs: 10,
      degree: 2,
    });
    expect(Object.keys(result.tensors[0])).toEqual(['name', 'dtype', 'shape', 'bytes', 'file']);
  });

  test('prints text for people', async () => {
    const { stdout } = await tensim(['inspect', step(6000)]);
    expect(stdout).toMatch(
      /family +bilinear\n +maps +64 inputs to 10 outputs, degree 2\n +compared +exactly\n +parameters +4,416\n/,
    );
    expect(stdout).toMatch(/metadata +step = "6000"\n/);
    expect(stdout).toMatch(/bi_linear.weight +F32 +\[64, 64\] +16,384 bytes\n/);
    expect(stdout).not.toContain('problems');
  });

  test('describes a model that is not supported, with exit code 0', async () => {
    const file = await writeCheckpoint(root, 'unknown.safetensors', { 'model.norm.weight': [3] });
    const { code, stdout, stderr } = await tensim(['inspect', file]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/family +none known/);
    expect(stdout).toMatch(/problems\n +UNSUPPORTED_LAYER .*normalisation/);
  });
});

describe('tensim doctor', () => {
  test('prints the fields of tensim.doctor/1 in their order', async () => {
    const { stdout, stderr } = await tensim(['doctor', '--json']);
    expect(stderr).toBe('');
    const result = JSON.parse(stdout);
    expect(Object.keys(result)).toEqual([
      'schema',
      'version',
      'node',
      'platform',
      'arch',
      'cpu',
      'processors',
      'selected',
      'backends',
    ]);
    expect(result).toMatchObject({ schema: 'tensim.doctor/1', version, node: process.versions.node });
    expect(result.backends.map(({ name }: { name: string }) => name)).toEqual(['native', 'cuda', 'fallback']);
    for (const backend of result.backends) {
      expect(Object.keys(backend)).toEqual(['name', 'available', 'selected', 'reason', 'details', 'abilities']);
      expect(backend.available).toBe(backend.reason === null);
    }
  });

  test('gives the reason of every backend that cannot be used', async () => {
    const { stdout } = await tensim(['doctor']);
    const { backends } = JSON.parse((await tensim(['doctor', '--json'])).stdout);
    for (const { name, reason } of backends)
      expect(stdout).toContain(reason === null ? `${name}: available` : `${name}: not available: ${reason}`);
  });

  test('answers 1 if the environment asks for a backend that is not there', async () => {
    const before = process.env.TENSIM_BACKEND;
    process.env.TENSIM_BACKEND = 'cuda';
    try {
      const { backends } = JSON.parse((await tensim(['doctor', '--json'])).stdout);
      const there = backends.some(({ name, available }: Record<string, unknown>) => name === 'cuda' && available);
      expect((await tensim(['doctor'])).code).toBe(there ? 0 : 1);
    } finally {
      if (before === undefined) delete process.env.TENSIM_BACKEND;
      else process.env.TENSIM_BACKEND = before;
    }
  });
});

describe('the program', () => {
  test('has the version of the package', async () => {
    expect(version).toBe(JSON.parse(readFileSync('package.json', 'utf8')).version);
    expect(await tensim(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  test.each(['compare', 'matrix', 'explain', 'gate', 'inspect', 'contract', 'doctor'])(
    'explains %s',
    async (command) => {
      const { code, stdout, stderr } = await tensim([command, '--help']);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toContain(`Usage: tensim ${command}`);
    },
  );

  test.each(Object.entries(ABOUT))('lists %s as it is', async (command, { takes, does }) => {
    const plain = async (...args: string[]) => (await tensim(args)).stdout.replace(/\s+/g, ' ');
    const own = await plain(command, '--help');
    const usage = ['tensim', command, '[options]', takes.replace(/^\[options\] ?/, ''), does].filter(Boolean).join(' ');
    expect(own).toContain(`Usage: ${usage} `);
    // Where help is the only one, the list names none.
    expect(takes.startsWith('[options]')).toBe(/ --(?!help\b)/.test(own));
    expect(await plain('help', command)).toBe(own);
    for (const all of [await plain('--help'), await plain('help')])
      expect(all).toContain(` ${command} ${takes} ${does} `);
  });

  test('gives examples that name commands and options it has', async () => {
    for (const command of [[], ['compare'], ['matrix'], ['explain'], ['gate'], ['inspect'], ['contract']]) {
      const { stdout } = await tensim([...command, '--help']);
      const examples = [...stdout.matchAll(/\$ tensim (\w+)(.*)/g)];
      expect(examples.length).toBeGreaterThan(0);
      for (const [, name, rest] of examples) {
        const { stdout: usage } = await tensim([name, '--help']);
        expect(usage).toContain(`Usage: tensim ${name}`);
        for (const [option] of rest.matchAll(/--[\w-]+/g)) expect(usage).toContain(option);
      }
    }
  });

  test('shows progress with the time left on a terminal, and takes it away', async () => {
    const { stderr } = await tensim(['matrix', step(0), step(200), '--json'], { terminal: true });
    expect(stderr).toMatch(/reading \[-+\] 0\/2 \| 0% \| ETA/);
    expect(stderr.slice(stderr.lastIndexOf(']'))).toContain(CLEAR_LINE);
    for (const setting of ['[?25l', '[?7l']) expect(stderr).not.toContain(setting);
  });

  test('leaves no half-written reports behind', async () => {
    const folder = join(root, 'interrupted');
    mkdirSync(folder);
    for (const delay of [0, 1, 5, 20]) {
      const controller = new AbortController();
      setTimeout(() => controller.abort(), delay);
      const args = ['matrix', BACKDOOR, '--out', join(folder, 'a.html'), '--out', join(folder, 'b.json')];
      const { code, stdout } = await tensim(args, { signal: controller.signal });
      expect([0, 130]).toContain(code);
      if (code === 130) expect(stdout).toBe('');
      for (const name of readdirSync(folder)) expect(['a.html', 'b.json']).toContain(name);
    }
  });
});

describe('Ctrl-C', () => {
  test('before the work starts: exit code 130, nothing computed, nothing said', async () => {
    const signal = AbortSignal.abort();
    for (const args of [
      ['compare', step(0), step(200)],
      ['matrix', BACKDOOR],
      ['inspect', step(0)],
    ])
      expect(await tensim(args, { signal })).toEqual({ code: 130, stdout: '', stderr: '' });
  });

  test('while models are read: exit code 130, and the progress line is gone', async () => {
    const controller = new AbortController();
    const running = tensim(['matrix', BACKDOOR], { signal: controller.signal, terminal: true });
    setImmediate(() => controller.abort());
    const { code, stdout, stderr } = await running;
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
    if (stderr !== '') expect(stderr.slice(stderr.lastIndexOf(']'))).toContain(CLEAR_LINE);
  });
});

test('a checkpoint with infinite weights is refused by the name of the tensor, not compared', async () => {
  const tensors = tensorsOf(bilinearShapes());
  (tensors.get('projection.weight')?.data as Float64Array)[0] = Number.POSITIVE_INFINITY;
  const file = await writeCheckpoint(root, 'infinite.safetensors', tensors);
  const { code, stdout, stderr } = await tensim(['compare', file, file]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(
    /^tensim: .*infinite.safetensors: tensor "projection.weight": element \[0, 0\] is Infinity.*\n$/,
  );
});
