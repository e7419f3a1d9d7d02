// What `verify` says of checkpoints that other people have trained: of conversions, of a file whose numbers a transposition
// has moved, of copies in another gauge and of others that are different networks.
import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const stories = (name) => `llama/stories260K.${name}`;
const [BIN, GGUF, SCRAMBLED] = ['icpp.bin', 'crabml-f32.gguf', 'rvspoc.transpose.bin'].map(stories);
const MAKEMORE = 'gpt/makemore-induction.pt';
const GPT = { config: JSON.stringify({ n_head: 1, activation_function: 'gelu_new', model_type: 'gpt2' }) };
const SAME = /^same function, other layout \(/;

/** Two files, options, the verdict, the sentence, and the causes of what is wrong. */
const PAIRS = [
  [BIN, GGUF, {}, 'other-layout', /^same function, other layout \(interleaved pairs/, []],
  [GGUF, BIN, {}, 'other-layout', /^same function, other layout \(interleaved pairs/, []],
  [BIN, BIN, {}, 'same-bytes', /^same bytes$/, []],
  [BIN, SCRAMBLED, {}, 'moved', /^same numbers in other places: not the same function/, ['numbers-moved']],
  [GGUF, SCRAMBLED, {}, 'moved', /^same numbers in other places: not the same function/, ['numbers-moved']],
  [GGUF, 'llama/weightless-tiny.gguf', {}, 'different', /^different: /, ['missing-tensor', 'wrong-shape', 'collapsed']],
  [
    'mlp-acasxu/acasxu_1_1.eran.onnx',
    'mlp-acasxu/acasxu_1_1.marabou.onnx',
    {},
    'unknown',
    /equal on 4,096 random inputs/,
    [],
  ],
  ['mlp-acasxu/acasxu_1_1.eran.onnx', 'mlp-acasxu/acasxu_1_2.eran.onnx', {}, 'different', /^different: /, ['replaced']],
  ['modadd/modadd-seed0.pt', 'modadd/modadd-seed1.pt', {}, 'different', /^different: /, ['replaced']],
];
const [COPY, GAUGE] = [(name) => `stories260K.${name}.bin`, (name) => `makemore.${name}.safetensors`];
/** The same of copies that were made of them. */
const COPIES = [
  [BIN, COPY('gauge-exact'), {}, 'other-layout', SAME, []],
  [BIN, COPY('gauge'), {}, 'other-layout', SAME, []],
  [BIN, COPY('noise-0.01'), {}, 'different', /^different: /, ['perturbed']],
  [MAKEMORE, GAUGE('gauge-exact'), GPT, 'other-layout', SAME, []],
  [MAKEMORE, GAUGE('gauge'), GPT, 'other-layout', SAME, []],
  [MAKEMORE, GAUGE('noise-0.01'), GPT, 'different', /^different: /, ['perturbed']],
];

/** Adapters, and ‖s · B A‖² of all that they change by numpy, their factors multiplied out; or why they are refused. */
const ADAPTERS = [
  ['discollama-mlx.safetensors', 130.7387649462034],
  ['mlx-dpo-qwen05b.safetensors', 0.7316418983009068],
  ['opt125m-r16-bf16.safetensors', 0.019052245511766867],
  ['peft-lora_mlp.bin', null],
  ['peft-lora_mlp_modules_to_save.bin', null],
  ['peft-adalora_mlp.bin', null],
  ['peft-unilora-roberta.safetensors', /UNILORA/],
];

/** An adapter as its program leaves it: in a folder of its own. */
function adapterFolder(folder, outdir, file) {
  const own = join(outdir, 'adapters', file);
  rmSync(own, { recursive: true, force: true });
  mkdirSync(own, { recursive: true });
  copyFileSync(join(folder, 'lora', file), join(own, `adapter_model.${file.endsWith('.bin') ? 'bin' : 'safetensors'}`));
  copyFileSync(join(folder, 'lora', `${file}.adapter_config.json`), join(own, 'adapter_config.json'));
  return own;
}

export async function checkVerified({ adapterMatrix, verify }, check, folder, outdir) {
  for (const [file, wanted] of ADAPTERS)
    await check(`adapter ${file}`, async () => {
      const found = await adapterMatrix([adapterFolder(folder, outdir, file)]).catch((error) => error);
      if (wanted instanceof RegExp)
        return [typeof found.code === 'string' && wanted.test(found.message), found.message];
      if (found instanceof Error) return [false, found.message];
      const [[norm]] = found.gram.data === undefined ? found.gram : [found.gram.data];
      return [norm > 0 && (wanted === null || Math.abs(norm / wanted - 1) < 1e-12), `‖ΔW‖² ${norm}`];
    });
  const golden = join(folder, '..', 'golden', 'blocks');
  const all = [
    ...PAIRS.map(([one, other, ...rest]) => [join(folder, one), join(folder, other), ...rest]),
    ...(existsSync(golden) ? COPIES : []).map(([one, other, ...rest]) => [
      join(folder, one),
      join(golden, other),
      ...rest,
    ]),
  ];
  for (const [reference, candidate, options, verdict, words, causes] of all)
    await check(`verify ${reference.slice(folder.length + 1)} | ${candidate.split('/').at(-1)}`, async () => {
      const found = await verify(reference, candidate, options);
      const own = new Set(found.faults.map(({ cause }) => cause));
      const areThere = causes.every((cause) => own.has(cause)) && (causes.length > 0 || own.size === 0);
      return [found.verdict === verdict && words.test(found.summary) && areThere, found.summary];
    });
}
