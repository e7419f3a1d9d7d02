import { Pacer, throttle } from '../cooperate.js';
import { TensimError } from '../errors.js';
import { selectBackend } from '../machines/select.js';
import { labelsOf } from '../model/labels.js';
import { cosine } from '../similarity/gram/derived.js';
import { plainly } from '../similarity/terms/plain.js';
import type { DType } from '../tensor/tensor.js';
import { quoted } from '../words/names.js';
import { valueText } from '../words/quoting.js';
import { type Adapter, readAdapter } from './adapter.js';
import { OpenFiles } from './open_files.js';
import { addModules } from './products.js';
import type { Member } from './slab.js';
import { SlabMemory } from './slab.js';
import type { AdapterMatrix, AdapterMatrixOptions } from './terms.js';

const MEMORY_LIMIT = 1.25 * 2 ** 30;

/**
 * Inner products and cosines of what adapters change: ⟨ΔWᵢ, ΔWⱼ⟩ summed over all weights, from the factors alone,
 * tr((Aⱼ Aᵢᵀ)(Bᵢᵀ Bⱼ)). A weight is gone through after the other, and every file is read once from front to back, if the
 * factors of one weight of all adapters fit in memory.
 *
 *     const { cosine, labels } = await adapterMatrix(['run_1/', 'run_2/', 'run_3/']);
 *
 * @param paths folders that PEFT or MLX saved, or the files of their weights with adapter_config.json beside
 * @throws TensimError as `openCheckpoint`; `UNSUPPORTED_LAYER` for another kind of adapter; `SHAPE_MISMATCH` for adapters
 * of different networks; `NOT_FINITE`; `FILE_CHANGED`
 */
export async function adapterMatrix(
  paths: readonly string[],
  options: AdapterMatrixOptions = {},
): Promise<AdapterMatrix> {
  const { dtype = 'float64', memoryLimit = MEMORY_LIMIT, backend, threads, signal, onProgress } = options;
  checkOptions(paths, dtype, memoryLimit);
  const { name, lowRank } = await selectBackend(backend, { lowRank: { dtype } }, signal);
  const adapters: Adapter[] = [];
  for (const path of paths) adapters.push(await readAdapter(path, { signal }));
  const modules = modulesOf(adapters);
  const gram = paths.map(() => new Float64Array(paths.length));
  const total = [...modules.values()].reduce((sum, { length }) => sum + (length * (length + 1)) / 2, 0);
  let done = 0;
  const report = throttle((pairs, all) => onProgress?.({ done: pairs, total: all }));
  const work = {
    ...{ gram, dtype, memoryLimit, memory: new SlabMemory(), files: new OpenFiles() },
    ...{ by: lowRank, control: { threads, signal } },
    onPairs(pairs: number) {
      done += pairs;
      report(done, total);
    },
  };
  report(0, total);
  try {
    await addModules([...modules.values()], work);
  } finally {
    await work.files.close();
  }
  const labels = labelsOf(paths);
  return plainly<AdapterMatrix>({
    kind: 'adapters',
    labels,
    adapters: adapters.map(({ kind, rank, scale, modules: own }, i) => ({
      ...{ label: labels[i], file: paths[i], kind, rank, scale, modules: own.size },
    })),
    modules: modules.size,
    gram,
    cosine: await cosines(gram, paths, dtype, new Pacer(signal)),
    dtype,
    backend: name,
    notes: notesOf(adapters, paths),
  });
}

/**
 * Cosines of inner products, of which those below the diagonal are put in place.
 * @throws TensimError `NOT_FINITE`
 */
async function cosines(
  gram: readonly Float64Array[],
  paths: readonly string[],
  dtype: DType,
  pacer: Pacer,
): Promise<Float64Array[]> {
  for (const [i, row] of gram.entries()) {
    for (let j = 0; j < i; j++) row[j] = gram[j][i];
    if (!row.every(Number.isFinite))
      throw new TensimError('NOT_FINITE', 'has NaN or infinite factors, or products beyond the range of numbers', {
        file: paths[i],
        hint: dtype === 'float32' ? 'Compute in float64' : 'Train it again, or leave it out',
      });
    if (pacer.due(2 * row.length)) await pacer.pause();
  }
  const found: Float64Array[] = [];
  for (const [i, row] of gram.entries()) {
    found.push(row.map((value, j) => cosine(value, gram[i][i], gram[j][j])));
    if (pacer.due(8 * row.length)) await pacer.pause();
  }
  return found;
}

function checkOptions(paths: readonly string[], dtype: DType, memoryLimit: number): void {
  if (!Array.isArray(paths) || paths.length === 0)
    throw new TensimError('INVALID_ARGUMENT', 'a matrix of adapters is of one at least', {
      hint: 'Give a list of paths',
    });
  if (dtype !== 'float64' && dtype !== 'float32')
    throw new TensimError('INVALID_ARGUMENT', `dtype must be float64 or float32, not ${valueText(dtype)}`);
  if (!(typeof memoryLimit === 'number' && memoryLimit > 0))
    throw new TensimError(
      'INVALID_ARGUMENT',
      `memoryLimit must be a positive number of bytes, not ${valueText(memoryLimit)}`,
    );
}

/** The adapters that change each weight, by its name, in the order of the first file that has it. */
function modulesOf(adapters: readonly Adapter[]): Map<string, Member[]> {
  const modules = new Map<string, Member[]>();
  for (const [index, adapter] of adapters.entries())
    for (const [name, module] of adapter.modules) {
      const members = modules.get(name) ?? [];
      const first = members[0]?.module ?? module;
      if (first.inputs !== module.inputs || first.outputs !== module.outputs)
        throw new TensimError(
          'SHAPE_MISMATCH',
          `changes a weight of ${module.outputs} outputs and ${module.inputs} inputs, and ${members[0].adapter.path} one of ${first.outputs} and ${first.inputs}`,
          { file: adapter.path, tensor: name, hint: 'Adapters of one network are compared' },
        );
      members.push({ index, adapter, module });
      modules.set(name, members);
    }
  return modules;
}

function notesOf(adapters: readonly Adapter[], paths: readonly string[]): string[] {
  const whole = paths.filter((_, i) => adapters[i].whole.size > 0);
  return [
    ...new Set(adapters.flatMap(({ notes }) => notes)),
    ...(whole.length > 0 ? [`whole tensors that adapters bring along are left out: ${quoted(whole)}`] : []),
  ];
}
