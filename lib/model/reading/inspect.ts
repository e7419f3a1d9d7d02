import { TensimError, type TensimErrorCode } from '../../errors.js';
import type { Checkpoint, CheckpointFormat, StampedCheckpoint } from '../../formats/checkpoint.js';
import { formatOf } from '../../formats/endings.js';
import { exactMethod, untaken } from '../../layers/exact.js';
import { type LayerOf, mapLayer, partsOf, residualOf } from '../../layers/layer.js';
import type { Place } from '../../layers/place.js';
import { residualInWords } from '../../layers/residual.js';
import type { ShapeOnly } from '../../layers/shapes.js';
import { kindOf } from '../../layers/table.js';
import { underContract } from '../../plain_data.js';
import { sizeOf } from '../../tensor/tensor.js';
import { shapeAt } from '../blueprint.js';
import type { Setting } from '../settings.js';
import { type SetAside, sorted, withoutIgnored, withTied } from './contents.js';
import type { LoadOptions } from './load.js';
import { withCheckpoint } from './model_file.js';
import type { ModelSource } from './source.js';
import { type Recognised, understand } from './understand.js';
import { readWeights } from './weights.js';

/** One tensor as it stands in a checkpoint. */
export interface TensorListing {
  /** As it stands in the file. */
  readonly name: string;
  /** Element type as the format names it. */
  readonly dtype: string;
  /** Extents of its axes. */
  readonly shape: readonly number[];
  /** Size of its elements. */
  readonly bytes: number;
  /** The file that holds it. */
  readonly file: string;
  /** Of a quantised weight, which is listed as it is decoded: how it is stored, `GPTQ int4`; else absent. */
  readonly quantised?: string;
}

/** Why a model cannot be loaded or compared. */
export interface Problem {
  /** The code of the error that `loadModel` or `similarity` would throw. */
  readonly code: TensimErrorCode;
  /** What it would say. */
  readonly message: string;
}

/** What a checkpoint is. The fields from `family` on are null, and `layers` is empty, where no model was recognised. */
export interface Inspection {
  /** As given by the caller. */
  readonly file: string;
  /** The commit, for a file from the Hugging Face Hub; else null. */
  readonly revision: string | null;
  /** What kind of file it is by its content, where its ending does not say so. */
  readonly format?: CheckpointFormat;
  /** Where the state dict is in a PyTorch file, as the option `key` says it: `model`, or `.` for the top. */
  readonly place?: string;
  /** All files read: the checkpoint, or the index and the shards of a sharded one. */
  readonly files: readonly string[];
  /** Hex digest over the bytes of `files`. */
  readonly sha256: string;
  /** The checkpoint's own metadata, strings as they stand in the file. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Every tensor of the checkpoint, used by the model or not. */
  readonly tensors: readonly TensorListing[];
  /**
   * What the names of all the model's tensors begin with and its own names do not, as wrappers leave it: `module.`;
   * null where nothing was taken off.
   */
  readonly prefix: string | null;
  /** Tensors that are known to be no weights, or were ignored as asked, each with the reason. */
  readonly setAside: readonly SetAside[];
  /** Weights that are stored once, under another name: that name by theirs, as the metadata tell them. */
  readonly tied: Readonly<Record<string, string>>;
  /** Elements of the model's tensors; of all tensors, where no model was recognised. */
  readonly parameters: number;
  /** `bilinear`, `deep`, … as docs/guide/models.md lists them, or `custom`. */
  readonly family: string | null;
  /** What the tensors do not tell and the model was read with, and who said it: what was assumed. */
  readonly settings: readonly Setting[];
  /** The model.json that described it. */
  readonly description: string | null;
  /** One line each: `bilinear 4 → 6 hidden → 4, residual 0.5 x + 0.5 block(x)`. */
  readonly layers: readonly string[];
  /** Positions of an input; 1 for a plain network. */
  readonly positions: number | null;
  /** Features of an input, per position. */
  readonly inputs: number | null;
  /** Features of an output, per position. */
  readonly outputs: number | null;
  /** Polynomial degree of the output in the input; null for a network that is no polynomial of it. */
  readonly degree: number | null;
  /**
   * What `auto` would compare it by under `gaussian`, if it is affordable: exact methods end at two bilinear blocks or
   * one of attention.
   */
  readonly method: 'exact' | 'sampled' | null;
  /** Whether the method `closure` takes it; null where its layers are not known. */
  readonly closes: boolean | null;
  /** Empty if the model can be loaded and compared by every measure. */
  readonly problems: readonly Problem[];
}

/**
 * Says what a file holds, and why it cannot be compared if it cannot: a model that is not supported is no error here.
 *
 *     const { family, layers, problems } = await inspect('model.safetensors');
 *     for (const { code, message } of problems) console.error(code, message);
 *
 * @throws TensimError `FILE_NOT_FOUND`, or `INVALID_FILE` for a file that is no checkpoint or a description that is
 * none.
 */
export function inspect(path: string, options: Omit<LoadOptions, 'label'> = {}): Promise<Inspection> {
  const { signal } = options;
  return withCheckpoint(path, options, async (checkpoint, source) => {
    const { recognised, problems } = await judge(checkpoint, source, signal);
    const tensors = [...checkpoint.tensors.values()];
    const { setAside, tied } =
      recognised ?? withTied(await sorted(withoutIgnored(checkpoint, source.ignore), checkpoint, signal), checkpoint);
    const { format, place } = checkpoint;
    return underContract('inspect', {
      file: path,
      revision: source.revision ?? null,
      ...(format !== formatOf(checkpoint.path) && { format }),
      ...(place !== undefined && { place }),
      files: checkpoint.files,
      sha256: await checkpoint.sha256(signal),
      metadata: { ...checkpoint.metadata },
      tensors: tensors.map(({ name, dtype, shape, bytes, file, quantised }) => ({
        ...{ name, dtype, shape: [...shape], bytes, file },
        ...(quantised && { quantised: quantised.format }),
      })),
      prefix: recognised?.prefix || null,
      setAside: [...setAside],
      tied: { ...tied },
      ...describe(recognised, checkpoint),
      problems,
    });
  });
}

interface Judgement {
  readonly recognised: Recognised | undefined;
  readonly problems: readonly Problem[];
}

/** Everything that loading the model would find wrong. */
async function judge(
  checkpoint: StampedCheckpoint,
  source: ModelSource,
  signal: AbortSignal | undefined,
): Promise<Judgement> {
  const problems: Problem[] = [];
  let recognised: Recognised | undefined;
  try {
    recognised = await understand(checkpoint, source, signal);
    for await (const _ of readWeights(checkpoint, recognised, signal));
  } catch (error) {
    if (!(error instanceof TensimError)) throw error;
    problems.push({ code: error.code, message: error.message });
  }
  return { recognised, problems };
}

function describe(recognised: Recognised | undefined, { tensors }: Checkpoint) {
  const elements = (names: Iterable<string>) =>
    [...names].reduce((count, name) => count + sizeOf(tensors.get(name)?.shape ?? [0]), 0);
  if (recognised === undefined) {
    const unknown = {
      family: null,
      description: null,
      positions: null,
      inputs: null,
      outputs: null,
      degree: null,
      method: null,
      closes: null,
      settings: [],
    };
    return { parameters: elements(tensors.keys()), layers: [], ...unknown };
  }
  const { blueprint, chain, description, parameters, settings } = recognised;
  const shapes = blueprint.layers.map(
    (layer): LayerOf<ShapeOnly> => mapLayer(layer, (place: Place) => ({ shape: shapeAt(place, tensors) })),
  );
  return {
    parameters: elements(parameters.values()),
    family: blueprint.family,
    settings,
    description,
    positions: blueprint.positions,
    layers: layersInWords(shapes),
    ...chain,
    method: exactMethod([shapes], 'gaussian') === null ? ('sampled' as const) : ('exact' as const),
    closes: untaken('closure', [shapes]) === undefined,
  };
}

function layersInWords(layers: readonly LayerOf<ShapeOnly>[]): string[] {
  return layers.map((layer) => {
    const biases = partsOf(layer).filter(([role]) => /bias$/i.test(role));
    const suffix = biases.length === 0 ? '' : `, with ${biases.length === 1 ? 'a bias' : `${biases.length} biases`}`;
    const widths = kindOf(layer).inWords(layer);
    return `${widths}${residualInWords(residualOf(layer))}${suffix}`;
  });
}
