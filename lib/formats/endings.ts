/** The kinds of files that hold named tensors. */
export type CheckpointFormat = 'safetensors' | 'pytorch' | 'npz' | 'npy' | 'onnx' | 'gguf' | 'llama2c';

const ENDINGS: readonly (readonly [format: CheckpointFormat, ending: RegExp])[] = [
  ['safetensors', /\.safetensors(\.index(\.[\w-]+)?\.json)?$/i],
  ['pytorch', /\.((pt|pth|bin)(\.index(\.[\w-]+)?\.json)?|ckpt|(pt|pth)\.tar)$/i],
  ['npz', /\.npz$/i],
  ['npy', /\.npy$/i],
  ['onnx', /\.onnx$/i],
  ['gguf', /\.gguf$/i],
];

/** The endings as they are told to people. */
export const READ_ENDINGS = '.safetensors, .pt, .pth, .bin, .ckpt, .npz, .onnx or .gguf';

/** What a path is by its ending alone; undefined for any other. */
export function formatOf(path: string): CheckpointFormat | undefined {
  return ENDINGS.find(([, ending]) => ending.test(path))?.[0];
}

/**
 * The formats that a folder is looked through for, the first of which there are any: what lies beside is often the same
 * model once more.
 */
const SOUGHT: readonly CheckpointFormat[] = ['safetensors', 'pytorch', 'onnx', 'gguf', 'npz'];

/** What training programs put beside a model under the endings of one. */
const BESIDE = /(?:^|\/)(?:optimizer|scheduler|scaler|training_args|rng_state\w*)\.(?:pt|pth|bin|ckpt)$/i;

/**
 * Of the files in a folder, its checkpoints: safetensors files, or, where there are none, those of PyTorch, then
 * ONNX models, then those of GGUF, or else .npz archives.
 * @param formats of files whose endings do not say it
 */
export function preferredCheckpoints(
  names: readonly string[],
  formats: ReadonlyMap<string, CheckpointFormat> = new Map(),
): string[] {
  const formatOfName = (name: string) => formatOf(name) ?? formats.get(name);
  const models = names.filter((name) => !BESIDE.test(name));
  const format = SOUGHT.find((sought) => models.some((name) => formatOfName(name) === sought));
  return format === undefined ? [] : models.filter((name) => formatOfName(name) === format);
}

/** Whether a name ends in letters after a point, of whatever kind: `step_0.5` does not. */
export const hasEnding = (name: string): boolean => /\.[a-z_]\w*$/i.test(name);

/** Whether a path is the index of a sharded checkpoint, of a variant of one (`model.safetensors.index.fp16.json`) too. */
export const isIndex = (path: string): boolean => /\.(?:safetensors|pt|pth|bin)\.index(?:\.[\w-]+)?\.json$/i.test(path);

/** Whether a path is named as training programs name the parts of a sharded checkpoint. */
export const isShard = (path: string): boolean => /-\d{5}-of-\d{5}\.(?:safetensors|bin)$/i.test(path);

/** The name of a file without the ending that says what it is. */
export function withoutEnding(name: string): string {
  const ending = ENDINGS.map(([, pattern]) => pattern.exec(name)).find((match) => match !== null);
  return ending ? name.slice(0, ending.index) : name.replace(/\.json$/i, '');
}
