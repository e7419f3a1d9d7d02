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
  entryPoints: { index: 'lib/index.ts' },
  outdir,
  outExtension: { '.js': '.mjs' },
  format: 'esm',
});
const { loadModel, openCheckpoint, similarity, similarityOfBlocks, writeSafetensors } = await import(
  pathToFileURL(join(outdir, 'index.mjs'))
);

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
  [vpd('v6_none_tightinit__final'), vpd('v14_rmsnorm__final'), PARAMETERS, 0.16116386114588263],
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
];

const [STORIES, SCRAMBLED] = ['icpp', 'rvspoc.transpose'].map((name) => `llama/stories260K.${name}.bin`);
const MAKEMORE = 'gpt/makemore-induction.pt';
const GPT = { config: { heads: 1, activation: 'gelu_new' } };

/** Transformers whose blocks are the same functions. */
const SAME_BLOCKS = [
  [STORIES, 'llama/stories260K.crabml-f32.gguf', {}],
  [MAKEMORE, MAKEMORE, GPT],
  ['tl-algorithmic/palindrome_easy.pt', 'tl-algorithmic/palindrome_easy.pt', {}],
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
/** Transformers whose blocks are not compared, and a word of the reason. */
const NO_BLOCKS = [
  ['llama/weightless-tiny.gguf', {}, /attn_output.*attn_k.*attn_v.*ffn_up/],
  [MAKEMORE, {}, /attention heads/],
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
console.log(`${done} checks, ${failed} failed`);
process.exit(failed > 0 || done === 0 ? 1 : 0);
