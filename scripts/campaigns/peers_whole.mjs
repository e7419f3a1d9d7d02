// What whole transformers of other people give, for `npm run campaign -- peers`.

import { existsSync } from 'node:fs';
import { join } from 'node:path';

const stories = (name) => `llama/stories260K.${name}`;
const [BIN, GGUF, SCRAMBLED] = ['icpp.bin', 'crabml-f32.gguf', 'rvspoc.transpose.bin'].map(stories);

/**
 * What the network says by itself, the likeliest token after the other: "Once upon a time, there was a little girl named
 * Lily. She loved to play outside in the park. One day, she saw a big, red ball. She wanted"
 */
const STORY = [
  1, 403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426, 338, 401, 396, 267, 337, 410, 408, 419,
  292, 411, 322, 265, 282, 295, 433, 426, 385, 328, 432, 358, 394, 261, 370, 432, 352, 266, 268, 388, 426, 338, 391,
  266,
];

const LENS = { normalization_type: 'none', act_fn: 'relu' };
const BARE = { config: { file: JSON.stringify(LENS) } };

/** Logits of the last position for the tokens 1, 4, 7, … modulo the vocabulary, computed with NumPy in float64. */
const LOGITS = [
  [
    'tl-algorithmic/sum.pt',
    {},
    [
      7.163183606, 3.849303533, -1.078773385, -5.622795303, -7.756826336, -6.575470841, -2.817407722, 1.729521817,
      5.595680746, 7.804930276, 2e-9, 1.9e-9,
    ],
  ],
  ['tl-algorithmic/palindrome_easy.pt', {}, [6.94332445, -7.395125167]],
  [
    'tl-algorithmic/unique_char.pt',
    {},
    [
      17.06297673, 27.58529596, -13.27557463, 2.573872232, 17.37965584, -7.078548534, 8.715399654, -51.35815669,
      5.858465487, 4.550957204, 2.419282954,
    ],
  ],
  ['tl-algorithmic/cumsum.pt', BARE, [-9.140922518, 0.7106634184, 8.365573545]],
  [
    'gpt/makemore-induction.pt',
    { config: { heads: 1, activation: 'gelu_new' } },
    [
      13.51867095, -1.168454639, -0.3281010855, -0.6096070802, 0.2515882522, 0.1862364354, 0.3918575034, -0.9112836415,
      0.8850017759, -1.941211226, -0.7993134567, 0.3611380748, 0.749373025, 1.205033076, -0.8103719369, 0.7230042992,
      5.196104144, -2.764299406, -1.408191251, 1.698755372, -0.581779657, -0.0398531353, -0.4401151416, 0.5293435723,
      -0.6160782088, 0.2617265395, -0.6543726069,
    ],
  ],
];

/**
 * Share of right answers of two networks that add modulo 113, and the cosine over all inputs of the logits of the 113
 * answers, each less the mean of its input.
 */
const MODULUS = 113;
const ACCURACIES = [0.9996867413266505, 0.9992168533166262];
const COSINE = 0.14057125732993922;

/** Sequences and positions of text that the network makes, and how near its moments come to those of more text. */
const [SEQUENCES, POSITIONS] = [64, 64];
const [NEAR_TRACE, NEAR_COSINE] = [0.06, 0.95];

const largestAt = (row) => row.reduce((best, value, i) => (value > row[best] ? i : best), 0);

function centred(row) {
  const mean = row.reduce((a, b) => a + b) / row.length;
  return Array.from(row, (value) => value - mean);
}

function product(a, b) {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}

/** A token by its weight. */
function drawn(weights, share) {
  let left = share * weights.reduce((a, b) => a + b);
  for (const [token, weight] of weights.entries()) {
    left -= weight;
    if (left <= 0) return token;
  }
  return weights.length - 1;
}

/** Text that a network makes at temperature 1. */
async function textOf({ createModel, evaluate }, { layers, outputShape: [, vocabulary] }) {
  let state = 12345;
  const uniform = () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state + 0.5) / 0x80000000;
  };
  const sequences = Array.from({ length: SEQUENCES }, () => [1]);
  for (let length = 1; length < POSITIONS; length++) {
    const { data } = await evaluate(createModel({ layers, positions: length }), sequences, { dtype: 'float32' });
    for (const [i, sequence] of sequences.entries()) {
      const end = (i + 1) * length * vocabulary;
      const weights = data.subarray(end - vocabulary, end).map(Math.exp);
      sequence.push(drawn(weights, uniform()));
    }
  }
  return sequences;
}

/**
 * @param tensim the library
 * @param check as that of peers.mjs
 * @param folder of the checkpoints
 */
export async function checkWhole(tensim, check, folder) {
  const { evaluate, loadModel, similarity, blockMoments, openCheckpoint } = tensim;
  const load = (file, options) => loadModel(join(folder, file), options);

  for (const file of [BIN, GGUF])
    await check(`what ${file} says by itself`, async () => {
      const { length } = STORY;
      const model = await load(file, { config: { context: length } });
      const { data } = await evaluate(model, [STORY]);
      const [, vocabulary] = model.outputShape;
      const said = STORY.map((_, s) => largestAt(data.subarray(s * vocabulary, (s + 1) * vocabulary)));
      const wrong = STORY.slice(1).filter((token, s) => token !== said[s]).length;
      return [wrong === 0, `${wrong} of ${length - 1} tokens are others`];
    });

  const few = { config: { context: 8 } };
  const tokens = { input: 'tokens', method: 'sampled' };
  await check(`${BIN} | ${GGUF} as wholes`, async () => {
    const found = await similarity(await load(BIN, few), await load(GGUF, few), tokens);
    const isRight = Math.abs(found.similarity - 1) < 1e-12 && found.distance === 0;
    return [isRight, `${found.similarity}, at a distance of ${found.distance}`];
  });
  await check(`${BIN} | ${SCRAMBLED} as wholes`, async () => {
    const found = await similarity(await load(BIN, few), await load(SCRAMBLED, few), tokens);
    return [Math.abs(found.similarity) < 0.05 && found.distance > 100, `${found.similarity} ± ${found.standardError}`];
  });

  for (const [file, options, wanted] of LOGITS)
    await check(`logits of ${file}`, async () => {
      const model = await load(file, options);
      const [positions, vocabulary] = model.inputShape;
      const { data } = await evaluate(model, [Array.from({ length: positions }, (_, i) => (3 * i + 1) % vocabulary)]);
      const last = data.subarray(data.length - wanted.length);
      const off = Math.max(...wanted.map((value, i) => Math.abs(value - last[i]) / Math.max(...wanted.map(Math.abs))));
      return [wanted.length === model.outputShape[1] && off < 1e-9, `at most ${off} from what was computed`];
    });

  await check('addition modulo 113', async () => {
    const inputs = Array.from({ length: MODULUS ** 2 }, (_, i) => [Math.floor(i / MODULUS), i % MODULUS, MODULUS]);
    const answers = [];
    const accuracies = [];
    for (const seed of [0, 1]) {
      const model = await load(`modadd/modadd-seed${seed}.pt`, BARE);
      const [, outputs] = model.outputShape;
      const { data } = await evaluate(model, inputs);
      const rows = inputs.map((_, i) => data.subarray((3 * i + 2) * outputs, (3 * i + 3) * outputs));
      answers.push(rows.flatMap((row) => centred(row.subarray(0, MODULUS))));
      const right = rows.filter((row, i) => largestAt(row) === (inputs[i][0] + inputs[i][1]) % MODULUS);
      accuracies.push(right.length / rows.length);
    }
    const [f, g] = answers;
    const cosine = product(f, g) / Math.sqrt(product(f, f) * product(g, g));
    const isRight = accuracies.every((share, i) => Math.abs(share - ACCURACIES[i]) < 1e-12);
    return [isRight && Math.abs(cosine - COSINE) < 1e-9, `${accuracies.join(' and ')} right, cosine ${cosine}`];
  });

  const laws = join(folder, '..', 'golden', 'blocks', 'stories260K.laws.safetensors');
  if (!existsSync(laws)) return;
  await check('moments of blocks on text', async () => {
    const model = await load(BIN);
    const { tensors } = await blockMoments(model, await textOf(tensim, model));
    const wanted = await openCheckpoint(laws);
    let [trace, cosine] = [0, 1];
    try {
      for (const [name, { data, shape }] of tensors) {
        const other = (await wanted.read(name)).data;
        cosine = Math.min(cosine, product(data, other) / Math.sqrt(product(data, data) * product(other, other)));
        if (shape.length === 1) continue;
        const traceOf = (of) => of.filter((_, at) => at % (shape[0] + 1) === 0).reduce((a, b) => a + b);
        trace = Math.max(trace, Math.abs(traceOf(data) / traceOf(other) - 1));
      }
    } finally {
      await wanted.close();
    }
    return [trace < NEAR_TRACE && cosine > NEAR_COSINE, `traces within ${trace}, cosines from ${cosine}`];
  });
}
