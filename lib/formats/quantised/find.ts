import { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import type { StampedCheckpoint } from '../checkpoint.js';
import type { TensorEntry } from '../entry.js';
import { fourBits, llmInt8 } from './bitsandbytes.js';
import { DecodedCheckpoint } from './decoded.js';
import { decodedGguf } from './gguf.js';
import { packedInputs } from './gptq.js';
import { affine } from './mlx.js';
import { mxfp4 } from './mxfp4.js';
import { packedWeight } from './packed.js';
import { scaledWeight } from './scaled.js';
import { type Finding, StoredTensors, type Told } from './stored.js';
import { flattened, plainNames } from './torchao.js';
import type { QuantisedWeight } from './weight.js';

/**
 * A way in which weights are stored. Given a tensor that may be the largest part of one, it tells the weight; undefined
 * for any other tensor, and for what is not known well enough to be decoded.
 */
type Finder = (entry: TensorEntry, stored: StoredTensors) => Finding | Promise<Finding>;

const FINDERS: readonly Finder[] = [
  ...[decodedGguf, flattened, packedInputs, packedWeight, fourBits, llmInt8, mxfp4, affine, scaledWeight],
];

/** What it takes to look at a tensor, in multiply-adds. */
const LOOKED_AT = 1 << 12;

/**
 * As `decoded` (decode.ts), of a checkpoint in which these tensors may be parts of quantised weights.
 * @throws TensimError `FILE_CHANGED`
 */
export async function decodedAmong(
  suspects: readonly TensorEntry[],
  checkpoint: StampedCheckpoint,
  told: () => Promise<Told>,
  signal?: AbortSignal,
): Promise<StampedCheckpoint> {
  const stored = new StoredTensors(checkpoint, told, signal);
  const weights: QuantisedWeight[] = [];
  let spoilt: TensimError | undefined;
  const pacer = new Pacer(signal);
  for (const entry of suspects) {
    if (pacer.due(LOOKED_AT)) await pacer.pause();
    try {
      const weight = await weightAt(entry, stored);
      if (weight === undefined) continue;
      checkAlone(weight, stored);
      weights.push(weight);
    } catch (error) {
      if (!(error instanceof TensimError) || error.code === 'FILE_CHANGED') throw error;
      spoilt ??= error;
    }
  }
  if (weights.length === 0 && spoilt === undefined) return checkpoint;
  return new DecodedCheckpoint(checkpoint, weights, plainNames(stored), spoilt);
}

async function weightAt(entry: TensorEntry, stored: StoredTensors): Promise<Finding> {
  for (const find of FINDERS) {
    const weight = await find(entry, stored);
    if (weight !== undefined) return weight;
  }
  return undefined;
}

/** @throws TensimError `INVALID_FILE` for a weight that is there as it is, too */
function checkAlone({ name, parts }: QuantisedWeight, stored: StoredTensors): void {
  const other = stored.get(name);
  if (other === undefined || parts.some(({ entry }) => entry === other)) return;
  throw new TensimError('INVALID_FILE', `is there twice: as it is, and quantised, as "${parts[0].entry.name}"`, {
    file: other.file,
    tensor: name,
    hint: 'Which of them counts is not known: leave one out',
  });
}
