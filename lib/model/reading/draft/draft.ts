import { TensimError } from '../../../errors.js';
import type { StampedCheckpoint } from '../../../formats/checkpoint.js';
import { type SetAside, sorted, withoutIgnored } from '../contents.js';
import type { LoadOptions } from '../load.js';
import { withCheckpoint } from '../model_file.js';
import type { ModelSource } from '../source.js';
import { type Recognised, understand } from '../understand.js';
import { type Described, describedBlueprint } from './describe.js';
import { guessed, leftInWords } from './guess.js';

/** A draft of a model.json. */
export interface ModelDraft {
  /** What would stand in the file: `JSON.stringify(description, null, 2)`. */
  readonly description: Readonly<Record<string, unknown>>;
  /** Whether its layers are a guess, by names and shapes; otherwise they are those that the model is read with. */
  readonly guessed: boolean;
  /** What has to be filled in before it can be read: `layers[1].heads: the number of heads`. */
  readonly missing: readonly string[];
  /** Tensors of which no layer is made, by their names in the file. */
  readonly left: readonly string[];
}

/**
 * A draft of the description of a checkpoint, whatever it holds. A model of a known family is described as it is read,
 * with nothing to be filled in; of any other the layers are guessed by the numbers and names of its tensors and by
 * shapes that fit. Every guess has a `remark`, and what no tensor tells stands as a text that begins with FILL IN, with
 * which the description is refused.
 *
 *     const { description, missing } = await draftModel('odd.safetensors');
 *     writeFileSync('model.json', JSON.stringify(description, null, 2));
 *     for (const field of missing) console.error(field); // layers[1].activation: the name of its activation …
 *
 * @throws TensimError `FILE_NOT_FOUND`, `INVALID_FILE` as `inspect`; `INVALID_ARGUMENT` for an ONNX model whose graph
 * says more than a description can.
 */
export function draftModel(path: string, options: Omit<LoadOptions, 'label' | 'unknown'> = {}): Promise<ModelDraft> {
  const { signal } = options;
  return withCheckpoint(path, options, async (checkpoint, source) => {
    const known = await recognisedIn(checkpoint, source, signal);
    const description = known && describedBlueprint(known.blueprint);
    if (description !== undefined) return draftOf(known as Recognised, description);
    if (checkpoint.graph !== undefined)
      throw new TensimError('INVALID_ARGUMENT', 'says itself what its layers are, and no description says the same', {
        file: path,
        hint: 'It is read, or refused, by its graph alone (tensim inspect FILE)',
      });
    const { tensors } = await sorted(withoutIgnored(checkpoint, source.ignore), checkpoint, signal);
    return guess(tensors);
  });
}

async function recognisedIn(
  checkpoint: StampedCheckpoint,
  source: ModelSource,
  signal: AbortSignal | undefined,
): Promise<Recognised | undefined> {
  try {
    return await understand(checkpoint, source, signal);
  } catch (error) {
    if (error instanceof TensimError) return undefined;
    throw error;
  }
}

function draftOf({ blueprint, settings, setAside }: Recognised, description: Described): ModelDraft {
  const { beside = [] } = blueprint;
  const ignore = [...setAside.filter(isLeft).map(({ name }) => name), ...beside];
  const remarks = [
    `Drafted by tensim: as it is read, as the family ${blueprint.family}. Nothing in it is guessed.`,
    ...settings.map(({ name, value, from }) => `${name} is ${value}: ${from}.`),
  ];
  const { schema, ...fields } = description;
  return {
    description: { schema, remarks, ...fields, ...(ignore.length > 0 && { ignore }) },
    guessed: false,
    missing: [],
    left: [],
  };
}

/** Whether a tensor has to be named as none that is needed; what is known to be no weight has not. */
const isLeft = ({ reason }: SetAside): boolean =>
  reason === 'no part of what is compared' || reason === 'ignored as asked' || reason === 'ignored by the description';

function guess(tensors: Parameters<typeof guessed>[0]): ModelDraft {
  const { description, missing, left } = guessed(tensors);
  const remarks = [
    'Drafted by tensim: layers by the names of tensors and by shapes that fit. All of it is guessed, and has to be looked at.',
    'Take out a remark when what it says is right. No state dict tells activations, numbers of heads, masks and residuals.',
    ...missing.map((field) => `To be filled in: ${field}.`),
    ...(left.length > 0 ? [leftInWords(left)] : []),
  ];
  const { schema, ...fields } = description;
  return { description: { schema, remarks, ...fields }, guessed: true, missing, left };
}
