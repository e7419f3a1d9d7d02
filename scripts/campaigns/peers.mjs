// `npm run campaign -- peers FOLDER`: reads checkpoints that other people have trained, none of which is in the
// repository, and holds what comes out of pairs of them to values that were computed once, independently, with NumPy in
// float64 (section MEASURED of the CATALOG.md beside the files). Files that are not read must be refused for their
// reason.
//
//     node scripts/campaigns/peers.mjs [FOLDER] [--filter NAME]
//
// Without a folder: TENSIM_PEERS, or peer-checkpoints in `shared` beside the checkout. Where there is none, nothing is
// done.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { forNode } from '../bundle.mjs';
import { root } from '../toolchain.mjs';
import { defaultRng } from './numpy_random.mjs';
import { checkQuantised } from './peers_quantised.mjs';
import { checkVerified } from './peers_verify.mjs';
import { checkWhole } from './peers_whole.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { filter: { type: 'string', default: '' }, seed: { type: 'string', default: '1' } },
});
const folder = positionals[0] ?? process.env.TENSIM_PEERS ?? join(root, '..', 'shared', 'peer-checkpoints');
if (!existsSync(folder)) {
  console.log(`There is no folder ${folder}: nothing is compared.`);
  process.exit(positionals.length > 0 ? 1 : 0);
}

const outdir = join(root, 'build', 'peers');
await build({
  ...forNode,
  entryPoints: { index: 'lib/index.ts', quantise: 'test/support/quantise.ts' },
  outdir,
  outExtension: { '.js': '.mjs' },
  format: 'esm',
});
const [tensim, quantise] = await Promise.all(
  ['index', 'quantise'].map((name) => import(pathToFileURL(join(outdir, `${name}.mjs`)))),
);
const { evaluate, loadModel, openCheckpoint, similarity, similarityOfBlocks, writeSafetensors } = tensim;

const RELU = { config: { activation: 'relu' } };
const TANH = { config: { activation: 'tanh' } };
const PARAMETERS = { unknown: 'parameters' };
const policy = (name) => `rl-sb3/${name}.zip`;
const [PPO, A2C, TRPO] = ['ppo-CartPole-2021-03', 'a2c-CartPole-2021-03', 'trpo-CartPole'].map(policy);
// Policies in the format of before version 1.6.
const [OLD, BEST] = ['ppo-CartPole-2020-06', 'ppo-CartPole-2020-06-best'].map(policy);
const [LATE, EARLY] = ['2023-11-29-epoch12', '2023-11-22-epoch3'].map((name) => `mlp-mnist/rib-mlp-${name}.pt`);
const TEACHER = 'mlp-mnist/teacher_mlp.pt';
const acasxu = (name) => `mlp-acasxu/acasxu_${name}.onnx`;
const vpd = (name) => `tn-bilinear-vpd/${name}.pt`;
const induction = (step) => `induction-finetune/finetuned_model_${step}.pth`;

/** Outputs on N(0, I): cosine, and its standard error where it was sampled. */
const FUNCTIONS = [
  [LATE, EARLY, RELU, 0.871, 0.0006],
  [LATE, TEACHER, RELU, 0.7376, 0.0015],
  [PPO, A2C, TANH, 0.9464, 0.0008],
  [PPO, TRPO, TANH, 0.8668, 0.0017],
  [A2C, TRPO, TANH, 0.768, 0.0014],
  [PPO, OLD, TANH, 0.9751, 0.0003],
  [PPO, BEST, TANH, 0.762, 0.002],
  [OLD, BEST, TANH, 0.7264, 0.0022],
  [OLD, A2C, TANH, 0.8968, 0.0014],
  [OLD, TRPO, TANH, 0.9, 0.0013],
  [BEST, A2C, TANH, 0.7769, 0.0026],
  [BEST, TRPO, TANH, 0.6517, 0.0028],
  // One network by two exporters.
  [acasxu('1_1.eran'), acasxu('1_1.marabou'), {}, 1, 0],
];

const CHANNEL = ['step_500', 'step_5000', 'final'].map((step) => `v8_channel__${step}`);
const [SCALAR, NO_NORM, RMS] = ['v13_scal_aggressive', 'v6_none_tightinit', 'v14_rmsnorm'].map(
  (run) => `${run}__final`,
);
const tensorLanguage = (name) => `tn-tensor_language/${name}.pt`;
const HOP = tensorLanguage('runs_hop__attn2-seed0');
const SHORT = { config: { context: 8 } };
/** The number of heads stands in the name of a folder that is not there. */
const SINGLE = { config: { context: 8, heads: 1 } };
const SHORT_ADD = { config: { context: 8, residual: 'add' } };

/**
 * Logits on 2,000 sequences of 8 uniform tokens, by the vocabulary: cosine and standard error of every pair of a group,
 * row by row.
 */
const LOGITS = [
  [
    63,
    [...CHANNEL, 'v15_channel__step_20000', SCALAR, NO_NORM].map((name) => [vpd(name), SHORT]),
    [0.6295, 0.5546, 0.5636, 0.2787, 0.5696],
    [0.9219, 0.9226, 0.4587, 0.869],
    [0.9057, 0.4443, 0.8147],
    [0.4519, 0.8585],
    [0.4452],
    [0.0016, 0.0038, 0.0035, 0.0344, 0.0035],
    [0.004, 0.0019, 0.0562, 0.0045],
    [0.0028, 0.0547, 0.0081],
    [0.0564, 0.0055],
    [0.055],
  ],
  [
    100,
    ['L1_d8_h1', 'L1_d8_h2', 'L1_d16_h1', 'L2_d8_h1', 'L2_d16_h1', 'L2_d16_h1_long', 'L2_d32_h1'].map((run) => [
      tensorLanguage(`runs__${run}`),
      SHORT,
    ]),
    [-0.0059, 0.104, 0.2174, 0.091, 0.0957, 0.1235],
    [-0.028, -0.0039, -0.0268, -0.0252, -0.0278],
    [0.1096, 0.3401, 0.3046, 0.1867],
    [0.0967, 0.1102, 0.1288],
    [0.7828, 0.1648],
    [0.1774],
    [0.0018, 0.0021, 0.0015, 0.0013, 0.0012, 0.0011],
    [0.001, 0.0018, 0.0008, 0.001, 0.0007],
    [0.0017, 0.0024, 0.0024, 0.0017],
    [0.0008, 0.0008, 0.0014],
    [0.001, 0.0015],
    [0.0018],
  ],
  [
    100,
    ['grid_L1', 'torus_L1', 'grid_L3'].map((run) => [tensorLanguage(`runs_geo__${run}_d32`), SINGLE]),
    [0.8172, 0.1752],
    [0.1796],
    [0.0014, 0.0016],
    [0.0017],
  ],
  [
    29,
    [
      [HOP, SHORT_ADD],
      [HOP, SHORT],
    ],
    [0.9158],
    [0.0026],
  ],
];

const STATES = ['none_s0', 'mid_LRD_s0', 'all_ELRDU_s0', 'rot_handcoded_s0', 'none_s1'];
/** Cosines of one bilinear block on N(0, I), in closed form, of every pair, row by row. */
const EXACT = [
  [0.522142, 0.542918, 0.574997, 0.280416],
  [0.461242, 0.527063, 0.214238],
  [0.81651, 0.301652],
  [0.462944],
];

/** Cosines of the weights of equal names. */
const WEIGHTS = [
  [PPO, A2C, TANH, 0.009763306568714965],
  [PPO, TRPO, TANH, -0.006429453033497458],
  [A2C, TRPO, TANH, 0.020376758395949275],
  [PPO, OLD, TANH, 0.011364443478143074],
  [PPO, BEST, TANH, 0.005022322315811313],
  [OLD, BEST, TANH, 0.9781276481433783],
  [OLD, A2C, TANH, -0.0004209094576439584],
  [OLD, TRPO, TANH, 0.011896512110548853],
  [BEST, A2C, TANH, -0.0009500068832081283],
  [BEST, TRPO, TANH, 0.01072150017276258],
  [vpd('v8_channel__step_500'), vpd('v8_channel__step_5000'), PARAMETERS, 0.7609211326213333],
  [vpd('v8_channel__step_5000'), vpd('v8_channel__final'), PARAMETERS, 0.8782597943948234],
  [vpd('v8_channel__final'), vpd('v15_channel__step_20000'), PARAMETERS, 0.583027659838585],
  [vpd(NO_NORM), vpd(RMS), PARAMETERS, 0.16116386114588263],
  [induction(0), induction(200), PARAMETERS, 0.806901],
  [induction(0), induction(400), PARAMETERS, 0.790979],
  [induction(200), induction(400), PARAMETERS, 0.998094],
];

/** Files that are read, as networks of so many inputs and outputs, and not compared with others. */
const READ = [
  ['rl-sb3/ppo-Acrobot.zip', TANH, 6, 3],
  ['rl-sb3/ars-CartPole.zip', {}, 4, 2],
  ['mlp-mnist/abcrown-mnist_2_20.pth', RELU, 784, 10],
  ['mlp-mnist/eran-mnist_6_100_nat.pth', RELU, 784, 10],
  [acasxu('1_2.eran'), {}, 5, 5],
  [tensorLanguage('e3_state_sparse16'), {}, 64, 64],
  ['tn-others/adversarial_gaussian_0.00.pt', {}, 784, 10],
  ['emnist_seed_0.pt', {}, 784, 62],
  ['induction_step_0.pt', { config: { heads: 2, context: 8, mask: 'causal', scale: 1 } }, 8, 8],
];

/** Files that are refused, whatever is given beside, and a word of the reason. */
const REFUSED = [
  [PPO, {}, /activation/],
  [TEACHER, {}, /activation/],
  ['mlp-mnist/lyapunov-seed_0.pth', RELU, /"controller" and "lyapunov"/],
  ['mlp-mnist/modelconfidence-mnist_transformer.pth', RELU, /attention/],
  ['mlp-mnist/marabou-fc_2-2sigmoids-3.h5', {}, /HDF5.*keras/s],
  ['quantised-and-gguf/torchao-int4-model.pt', {}, /lin_mod\.weight/],
  ['quantised-and-gguf/ratchet-test-f16.gguf', {}, /"tensor1"/],
  ['quantised-and-gguf/las7-truncated.gguf', {}, /cut short/],
  ['llama/weightless-tiny.gguf', {}, /blk\.0/],
  // No polynomials, though their tensors are those of some: only what is said beside them tells.
  [tensorLanguage('runs__L2_d64_h1_softmax'), SHORT, /softmax.*"attention" in /],
  [vpd(RMS), SHORT, /an RMS norm.*"norm_type" in .*"rmsnorm"/],
  ['tn-others/patch_bilinear_rmsnorm.pt', {}, /an RMS norm.*"rmsnorm_postnorm"/],
  // What no file tells is asked for.
  [HOP, {}, /"n_ctx"/],
  [tensorLanguage('runs_geo__grid_L1_d32'), SHORT, /"n_head"/],
  ['modadd/modadd-seed0.pt', {}, /does not say the activation of its MLPs/],
];

const [STORIES, SCRAMBLED] = ['icpp', 'rvspoc.transpose'].map((name) => `llama/stories260K.${name}.bin`);
const MAKEMORE = 'gpt/makemore-induction.pt';
const GPT = { config: { heads: 1, activation: 'gelu_new' } };
const said = (settings) => ({ config: JSON.stringify(settings) });
const algorithm = (name) => `tl-algorithmic/${name}.pt`;
const WITHOUT_NORMS = said({ normalization_type: null, act_fn: 'relu' });
const VISION = 'mlp-mnist/modelconfidence-mnist_transformer.pth';
const vision = (before) => said({ nhead: 4, norm_first: before, activation: 'relu' });
const [MODADD, OTHER_MODADD] = [0, 1].map((seed) => `modadd/modadd-seed${seed}.pt`);

/** Transformers whose blocks are the same functions. */
const SAME_BLOCKS = [
  [STORIES, 'llama/stories260K.crabml-f32.gguf', {}],
  [MAKEMORE, MAKEMORE, GPT],
  ...['unique_char', 'palindrome_easy', 'palindrome_hard', 'sum'].map(algorithm).map((file) => [file, file, {}]),
  [algorithm('cumsum'), algorithm('cumsum'), WITHOUT_NORMS],
  [VISION, VISION, vision(true)],
  [VISION, VISION, vision(false)],
];
/** Of every layer: similarity of the MLPs, of the sums of W_O W_V, and the mean of the matched heads' QK and OV. */
const BLOCKS = [
  [
    STORIES,
    SCRAMBLED,
    {},
    [0.0003265222738801358, -0.010525185034567553, 0.007548547245079751],
    [-0.00844235862332186, 0.027263016523292345, 0.0199070366916682],
    [-0.002180747933421629, -0.0195063998154594, 0.004303305368268484],
    [-0.00543592689158328, -0.002274776194725527, -0.004201074984655057],
    [-0.0027816309333413463, 0.012014138786976263, 0.015241874759279432],
  ],
];
/** The same of transformers in which MLPs or attention are missing; of QK, by Monte Carlo, with its standard error. */
const OTHER_BLOCKS = [
  [MODADD, OTHER_MODADD, WITHOUT_NORMS, [{ mlp: 0.10323628298574285 }]],
  [
    ...[algorithm('palindrome_easy'), algorithm('palindrome_hard'), { align: 'none' }],
    [
      {
        ov: 0.8240954569316445,
        values: [0.8787082380319243, 0.8309840689702284],
        scores: [
          [0.7291045312056903, 0.00052],
          [0.9252028076059059, 0.00016],
        ],
      },
      {
        ov: 0.7453183423765518,
        values: [0.7673116938424873, 0.6751964796933138],
        scores: [
          [0.8764413452655794, 0.00032],
          [0.696097030516491, 0.00067],
        ],
      },
    ],
  ],
];
/** Copies of them that are the same functions in other weights, in a folder beside: golden/blocks. */
const GAUGED = [
  [STORIES, 'stories260K.gauge.bin', {}],
  [STORIES, 'stories260K.gauge-exact.bin', {}],
  [MAKEMORE, 'makemore.gauge.safetensors', GPT],
  [MAKEMORE, 'makemore.gauge-exact.safetensors', GPT],
];
/** Transformers whose blocks are not compared, and a word of the reason. */
const NO_BLOCKS = [
  ['llama/weightless-tiny.gguf', {}, /attn_output.*attn_k.*attn_v.*ffn_up/],
  [MAKEMORE, {}, /attention heads/],
  [algorithm('cumsum'), {}, /activation/],
  [algorithm('cumsum'), RELU, /norms without weights/],
  [VISION, said({ nhead: 4, activation: 'relu' }), /norms stand before its blocks/],
  ['quantised-and-gguf/torchao-fp8-linear.safetensors', {}, /no transformer/],
  [TEACHER, {}, /no transformer/],
];

/** Standard errors that two estimates may differ by, and what rounding to four digits takes. */
const MOST_ERRORS = 4;
const ROUNDING = 5e-5;
/** Of a cosine that was printed with six digits. */
const MOST_OFF = 1e-6;

let [done, failed] = [0, 0];
async function check(name, judge) {
  if (!name.includes(values.filter)) return;
  done++;
  const [isRight, text] = await judge().catch((error) => [false, error.message]);
  console.log(`${isRight ? 'as it should be' : 'WRONG'}: ${name}: ${text}`);
  if (!isRight) failed++;
}
const load = (file, options) => loadModel(join(folder, file), options);

for (const [a, b, options, wanted, error] of FUNCTIONS)
  await check(`${a} | ${b}`, async () => {
    const settings = { seed: Number(values.seed) };
    const found = await similarity(await load(a, options), await load(b, options), settings);
    const own = found.standardError ?? 0;
    const most = MOST_ERRORS * Math.hypot(error, own) + (error > 0 ? ROUNDING : 1e-12);
    const off = Math.abs(found.similarity - wanted);
    return [off <= most, `${found.similarity} ± ${own}, and ${wanted} ± ${error} was measured (${found.method})`];
  });
// The sequences were drawn one group after the other.
const random = defaultRng();
for (const [vocabulary, files, ...rows] of LOGITS) {
  const sequences = random.integers(vocabulary, 2000, 8);
  for (const [i, [a, options]] of files.entries())
    for (const [j, [b, others]] of files.entries()) {
      if (j <= i) continue;
      const [wanted, error] = [rows[i][j - i - 1], rows[files.length - 1 + i][j - i - 1]];
      await check(`logits of ${a} | ${b}`, async () => {
        const [one, other] = [await load(a, options), await load(b, others)];
        const [x, y] = [(await evaluate(one, sequences)).data, (await evaluate(other, sequences)).data];
        const dot = (u, v) => u.reduce((sum, value, at) => sum + value * v[at], 0);
        const same = dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
        const found = await similarity(one, other, { input: 'tokens', maxSamples: 2 ** 14, seed: Number(values.seed) });
        const { similarity: sampled, standardError, sampling } = found;
        const isNear = Math.abs(sampled - wanted) <= MOST_ERRORS * Math.hypot(error, standardError) + ROUNDING;
        // Where few sequences carry a network, 2,000 of them say little, and the result must say so of itself.
        const isRight = Math.abs(same - wanted) <= ROUNDING && (isNear || !sampling.reached);
        return [
          isRight,
          `${same} on the same inputs, ${sampled} ± ${standardError}, and ${wanted} ± ${error} was measured`,
        ];
      });
    }
}
for (const [i, a] of STATES.entries())
  for (const [j, b] of STATES.entries()) {
    const wanted = i === j ? 1 : EXACT[Math.min(i, j)][Math.abs(j - i) - 1];
    await check(`states ${a} | ${b}`, async () => {
      const [one, other] = [a, b].map((state) => load(tensorLanguage(`e2_state_${state}`), {}));
      const found = await similarity(await one, await other);
      return [
        found.exact && Math.abs(found.similarity - wanted) <= MOST_OFF,
        `${found.similarity}, and ${wanted} is exact`,
      ];
    });
  }
for (const [a, b, options, wanted] of WEIGHTS)
  await check(`weights of ${a} | ${b}`, async () => {
    const found = await similarity(await load(a, options), await load(b, options), { measure: 'weights' });
    return [Math.abs(found.similarity - wanted) <= MOST_OFF, `${found.similarity}, and ${wanted} was computed`];
  });
for (const [file, options, inputs, outputs] of READ)
  await check(file, async () => {
    const { inputShape, outputShape, family } = await load(file, options);
    const isRight = inputShape.at(-1) === inputs && outputShape.at(-1) === outputs;
    return [isRight, `${family}, ${inputShape.at(-1)} → ${outputShape.at(-1)}`];
  });
for (const [file, options, reason] of REFUSED)
  await check(`${file} is refused`, () =>
    load(file, options).then(
      () => [false, 'it was read'],
      (error) => [typeof error.code === 'string' && reason.test(error.message), error.message],
    ),
  );
const blocksOf = (a, b, options) => similarityOfBlocks(join(folder, a), join(folder, b), options);
for (const [a, b, options] of SAME_BLOCKS)
  await check(`blocks of ${a} | ${b}`, async () => {
    const { layers, worst } = await blocksOf(a, b, options);
    return [worst === null && layers.length > 0, `${layers.length} layers, of which ${worst?.layer ?? 'none'} differs`];
  });
for (const [a, b, options] of SAME_BLOCKS)
  await check(`blocks of ${a} | ${b}, aligned`, async () => {
    const { layers, rotation, worst, impression } = await blocksOf(a, b, { ...options, align: 'rotation' });
    const found = layers.every(({ mlp }) => mlp === undefined || mlp.units.partners === mlp.units.count);
    const kind = a === b ? 'same' : 'conversion';
    return [worst === null && rotation.identity && found && impression.kind === kind, impression.words];
  });
const copies = join(folder, '..', 'golden', 'blocks');
for (const [a, b, options] of existsSync(copies) ? GAUGED : [])
  for (const align of ['heads', 'units', 'rotation'])
    await check(`blocks of ${a} | ${b}, ${align} aligned`, async () => {
      const { layers, impression } = await similarityOfBlocks(join(folder, a), join(copies, b), { ...options, align });
      const off = layers.flatMap(({ mlp, attention: { heads, ov } }) =>
        [mlp.similarity, ov.similarity, ...heads.flatMap((head) => [head.qk, head.ov])].map((one) => Math.abs(1 - one)),
      );
      const found = align === 'heads' || layers.every(({ mlp: { units } }) => units.partners === units.count);
      const most = Math.max(...off);
      return [most <= 1e-9 && found && impression.kind === 'conversion', `at most ${most} from 1. ${impression.words}`];
    });
for (const [a, b, options, ...wanted] of BLOCKS)
  await check(`blocks of ${a} | ${b}`, async () => {
    const { layers } = await blocksOf(a, b, options);
    const found = layers.map(({ mlp, attention: { ov, heads } }) => {
      const matched = heads.reduce((sum, head) => sum + head.qk + head.ov, 0) / (2 * heads.length);
      return [mlp.similarity, ov.similarity, matched];
    });
    const off = Math.max(...found.flatMap((layer, i) => layer.map((value, j) => Math.abs(value - wanted[i][j]))));
    return [off <= 1e-9, `at most ${off} from what was computed`];
  });
for (const [a, b, options, wanted] of OTHER_BLOCKS)
  await check(`blocks of ${a} | ${b}`, async () => {
    const { layers } = await blocksOf(a, b, options);
    const off = wanted.flatMap(({ mlp, ov, values = [], scores = [] }, i) => {
      const { mlp: function_, attention } = layers[i];
      return [
        ...(mlp === undefined ? [] : [Math.abs(function_.similarity - mlp) / 1e-9]),
        ...(ov === undefined ? [] : [Math.abs(attention.ov.similarity - ov) / 1e-9]),
        ...values.map((value, head) => Math.abs(attention.heads[head].ov - value) / 1e-9),
        ...scores.map(([value, error], head) => Math.abs(attention.heads[head].qk - value) / (MOST_ERRORS * error)),
      ];
    });
    return [Math.max(...off) <= 1, `at most ${Math.max(...off).toPrecision(2)} of what it may be off`];
  });
// Copies that were made of two networks, and their own layers in another order, under the moments of their own streams and
// on the sphere: golden/blocks.json.
const golden = join(folder, '..', 'golden');
const made = existsSync(golden) ? JSON.parse(readFileSync(join(golden, 'blocks.json'), 'utf8')) : {};

/** The same network, layer i being what layer i + by was. */
async function rotated(file, by, layers) {
  const checkpoint = await openCheckpoint(join(folder, file));
  const tensors = new Map();
  for (const name of checkpoint.tensors.keys()) {
    const moved = name.replace(/(layers|h)\.(\d+)\./, (_, prefix, i) => `${prefix}.${(i - by + layers) % layers}.`);
    tensors.set(moved, await checkpoint.read(name));
  }
  const path = join(outdir, `rotated-${by}.safetensors`);
  await writeSafetensors(path, tensors, { ...checkpoint.metadata });
  await checkpoint.close();
  return path;
}

for (const [network, file, options, ending] of [
  ['stories260K', STORIES, {}, 'bin'],
  ['makemore', MAKEMORE, GPT, 'safetensors'],
]) {
  const { mlp, data_law: law } = made[network] ?? {};
  if (mlp === undefined) continue;
  const count = Object.keys(law.layers).length;
  const copies = Object.keys(mlp.A_vs_copy).map((copy) => ({
    name: copy,
    file: () =>
      copy === 'scrambled' ? join(folder, SCRAMBLED) : join(golden, 'blocks', `${network}.${copy}.${ending}`),
    moments: (layer) => law.layers[layer].pairs[`${copy}.${layer}`].gaussian_data_law,
    sphere: (layer) => mlp.A_vs_copy[copy][layer].sphere,
  }));
  const others = Array.from({ length: count - 1 }, (_, i) => {
    const answer = (layer) => (layer + i + 1) % count;
    const { similarity, fidelity_error } = mlp.layer_matrix_A.sphere;
    return {
      name: `its own layers, moved by ${i + 1}`,
      file: () => rotated(file, i + 1, count),
      moments: (layer) => law.layers[layer].pairs[`A.${answer(layer)}`]?.gaussian_data_law,
      sphere: (layer) => ({
        similarity: similarity[layer][answer(layer)],
        fidelity_error: fidelity_error[layer][answer(layer)],
      }),
    };
  });
  for (const other of [...copies, ...others])
    for (const input of ['moments', 'sphere'])
      await check(`blocks of ${file} | ${other.name} under ${input}`, async () => {
        const own = input === 'sphere' ? input : { file: join(golden, 'blocks', `${network}.laws.safetensors`) };
        const { layers } = await similarityOfBlocks(join(folder, file), await other.file(), { ...options, input: own });
        const off = layers.flatMap(({ layer, mlp: found }) => {
          const wanted = other[input](layer);
          if (wanted === undefined) return [];
          const error = found.fidelityError - wanted.fidelity_error;
          return [Math.abs(found.similarity - wanted.similarity), Math.abs(error)];
        });
        return [
          Math.max(...off) <= 1e-9,
          `${off.length / 2} layers, at most ${Math.max(...off)} from what was computed`,
        ];
      });
}
for (const [file, options, reason] of NO_BLOCKS)
  await check(`blocks of ${file} are refused`, () =>
    blocksOf(file, file, options).then(
      () => [false, 'they were read'],
      (error) => [typeof error.code === 'string' && reason.test(error.message), error.message],
    ),
  );
await checkWhole(tensim, check, folder);
await checkQuantised(tensim, quantise, check, folder, outdir);
await checkVerified(tensim, check, folder, outdir);
console.log(`${done} checks, ${failed} failed`);
process.exit(failed > 0 || done === 0 ? 1 : 0);
