import type { Adapter } from '../../adapters/adapter.js';
import { TensimError } from '../../errors.js';
import type { StampedCheckpoint, TensorEntry } from '../../formats/checkpoint.js';
import { isFloatFormat } from '../../tensor/convert.js';
import { quoted } from '../../words/names.js';
import type { Change } from './delta.js';
import type { Both } from './measure.js';
import { matchNames } from './names.js';
import { matrixOf } from './rows.js';
import type { Brought } from './unchanged.js';

/** What is to be looked at of one tensor of the base. */
export interface Task extends Both {
  /** What adapters add to it; none for one that is to be left alone. */
  readonly changes: readonly Change[];
  /** The weight is stored as inputs by outputs. */
  readonly turned: boolean;
  readonly brought?: Brought;
}

/** What a merge is made of, by the names of the tensors of the base. */
export interface MergePlan {
  /** In the order of the base's files. */
  readonly tasks: readonly Task[];
  /** Tensors of the base without a counterpart, and of the merged network. */
  readonly missing: readonly TensorEntry[];
  readonly extra: readonly TensorEntry[];
  /** Those whose shapes differ. */
  readonly reshaped: readonly Both[];
  /** Those whose elements are no numbers that are read. */
  readonly unread: readonly string[];
  /** Factors of an adapter that lie beside the weights of the merged network. */
  readonly beside: readonly string[];
}

/** Factors beside a base that still has them, as PEFT saves a network that is not merged. */
const FACTOR = /\.lora_(?:[ABEab]|embedding_[AB]|magnitude_vector)(?:\.|$)/;

/**
 * What is compared with what.
 * @throws TensimError `INVALID_ARGUMENT` where an adapter is for another network; `SHAPE_MISMATCH`
 */
export function planMerge(
  base: StampedCheckpoint,
  merged: StampedCheckpoint,
  adapters: readonly Adapter[],
  [ofBase, ofMerged]: readonly [base: readonly string[], merged: readonly string[]],
): MergePlan {
  const beside = ofMerged.filter((name) => FACTOR.test(name));
  const own = ofMerged.filter((name) => !FACTOR.test(name));
  const counterpart = matchNames(ofBase, own);
  const changes = new Map<string, { changes: Change[]; turned: boolean }>();
  const brought = new Map<string, Brought>();
  for (const [number, adapter] of adapters.entries()) {
    for (const [module, tensor] of placesOf(adapter, ofBase, base)) {
      const known = changes.get(tensor);
      const change = { adapter: number, module: adapter.modules.get(module)! };
      const turned = isTurned(change, base.tensors.get(tensor)!, adapter);
      if (known === undefined) changes.set(tensor, { changes: [change], turned });
      else known.changes.push(change);
    }
    for (const [name, tensor] of matchNames(adapter.whole.keys(), ofBase))
      brought.set(tensor, { adapter, entry: adapter.whole.get(name)! });
  }
  const tasks: Task[] = [];
  const [reshaped, unread]: [Both[], string[]] = [[], []];
  for (const name of ofBase) {
    const other = counterpart.get(name);
    if (other === undefined) continue;
    const both = { base: base.tensors.get(name)!, merged: merged.tensors.get(other)! };
    if (!sameShape(both)) reshaped.push(both);
    else if (!isFloatFormat(both.base.dtype) || !isFloatFormat(both.merged.dtype)) unread.push(name);
    else {
      const bringing = brought.get(name);
      const fits = bringing !== undefined && sameShape({ base: both.base, merged: bringing.entry });
      tasks.push({
        ...both,
        ...(changes.get(name) ?? { changes: [], turned: false }),
        ...(fits && { brought: bringing }),
      });
    }
  }
  const found = new Set(counterpart.values());
  return {
    ...{ tasks, reshaped, unread, beside },
    missing: ofBase.filter((name) => !counterpart.has(name)).map((name) => base.tensors.get(name)!),
    extra: own.filter((name) => !found.has(name)).map((name) => merged.tensors.get(name)!),
  };
}

function sameShape({ base, merged }: Both): boolean {
  return base.shape.length === merged.shape.length && base.shape.every((extent, i) => extent === merged.shape[i]);
}

/** The tensor of the base that each module of an adapter changes. */
function placesOf(adapter: Adapter, names: readonly string[], base: StampedCheckpoint): Map<string, string> {
  const modules = [...adapter.modules.keys()];
  const found = matchNames(
    modules.map((name) => `${name}.weight`),
    names,
  );
  const taken = new Set(found.values());
  // Parameters that are no modules, and files that call them so.
  const bare = matchNames(
    modules.filter((name) => !found.has(`${name}.weight`)),
    names.filter((name) => !taken.has(name)),
  );
  const places = new Map(modules.map((name) => [name, found.get(`${name}.weight`) ?? bare.get(name)]));
  const lost = modules.filter((name) => places.get(name) === undefined);
  if (lost.length > 0)
    throw new TensimError('INVALID_ARGUMENT', `changes modules that ${base.path} has no weight of: ${quoted(lost)}`, {
      file: adapter.path,
      hint: 'Give the base that the adapter was trained on, with the names that it had then',
    });
  return places as Map<string, string>;
}

/** Whether the weight is stored as inputs by outputs: by what the adapter says, or by the one way in which it fits. */
function isTurned({ module }: Change, entry: TensorEntry, { path }: Adapter): boolean {
  const [rows, columns] = matrixOf(entry);
  const fits = (turned: boolean) =>
    rows === (turned ? module.inputs : module.outputs) && columns === (turned ? module.outputs : module.inputs);
  if (fits(module.turned)) return module.turned;
  if (fits(!module.turned)) return !module.turned;
  throw new TensimError(
    'SHAPE_MISMATCH',
    `changes a weight of ${module.outputs} outputs and ${module.inputs} inputs, which in the base is [${entry.shape.join(', ')}]`,
    { file: path, tensor: module.name, hint: 'Give the base that the adapter was trained on' },
  );
}
