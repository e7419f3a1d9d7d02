import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { TensimError } from '../../errors.js';
import { type StampedCheckpoint, withOpen } from '../../formats/checkpoint.js';
import { localFile } from '../../hub/local_file.js';
import type { Tensor } from '../../tensor/tensor.js';
import { quoted } from '../../words/names.js';
import type { BlockMoments, BlockPart } from './input.js';

/** Gives the moments of a block, where there are any. */
export type MomentsOf = (layer: number, part: BlockPart) => Promise<BlockMoments | undefined>;

const NAME = /^(?:mlp|attn)\.(?:0|[1-9]\d{0,8})\.(?:mean|cov)$/;
const HINT = 'Moments are called mlp.0.mean, mlp.0.cov, attn.0.mean, attn.0.cov …: "tensim moments" writes such a file';

/** Files of moments in a folder, by their endings. */
const ENDINGS = /\.(?:safetensors|npz)$/i;

/** The moments of blocks in a file, or in the files of a folder, and what results call them. */
export interface OpenMoments {
  readonly name: string;
  readonly momentsOf: MomentsOf;
}

/**
 * Opens moments for `use`. Those of a block are read when they are asked for.
 * @param width d, of the residual stream
 * @throws TensimError `FILE_NOT_FOUND`; `INVALID_FILE` for tensors that are no moments, or have no covariance beside a
 * mean; `SHAPE_MISMATCH` for those of other widths
 */
export async function withMoments<Result>(
  path: string,
  width: number,
  signal: AbortSignal | undefined,
  use: (moments: OpenMoments) => Promise<Result>,
): Promise<Result> {
  const files = await filesAt(path, signal);
  const open = (from: number, before: readonly StampedCheckpoint[]): Promise<Result> =>
    from === files.length
      ? use({ name: basename(path), momentsOf: readerOf(before, width, path, signal) })
      : withOpen(files[from], { signal }, (checkpoint) => open(from + 1, [...before, checkpoint]));
  return open(0, []);
}

async function filesAt(path: string, signal: AbortSignal | undefined): Promise<string[]> {
  const file = await localFile(path, signal);
  const found = await stat(file).catch((cause: unknown) => {
    throw new TensimError('FILE_NOT_FOUND', 'there is no such file or folder', {
      file: path,
      hint: 'The input of blocks is "standard", "sphere", or a file or a folder of moments',
      cause,
    });
  });
  if (!found.isDirectory()) return [file];
  const names = (await readdir(file)).filter((name) => ENDINGS.test(name)).sort();
  if (names.length === 0)
    throw new TensimError('FILE_NOT_FOUND', 'has no .safetensors or .npz file with moments', { file: path });
  return names.map((name) => join(file, name));
}

function readerOf(
  checkpoints: readonly StampedCheckpoint[],
  width: number,
  path: string,
  signal: AbortSignal | undefined,
): MomentsOf {
  const holders = new Map<string, StampedCheckpoint>();
  for (const checkpoint of checkpoints) {
    const names = [...checkpoint.tensors.keys()];
    const others = names.filter((name) => !NAME.test(name));
    if (others.length > 0 || names.length === 0) {
      const has = others.length > 0 ? quoted(others) : 'no tensors';
      throw new TensimError('INVALID_FILE', `has ${has}; moments of blocks were wanted`, {
        file: checkpoint.path,
        hint: HINT,
      });
    }
    for (const name of names) {
      if (holders.has(name))
        throw new TensimError('INVALID_FILE', `is also in "${holders.get(name)!.path}"`, {
          file: checkpoint.path,
          tensor: name,
        });
      holders.set(name, checkpoint);
    }
  }
  const read = async (tensor: string, shape: readonly number[]): Promise<Tensor | undefined> => {
    const holder = holders.get(tensor);
    if (holder === undefined) return undefined;
    const found = holder.tensors.get(tensor)!.shape;
    if (found.length === shape.length && found.every((extent, i) => extent === shape[i]))
      return holder.read(tensor, signal);
    throw new TensimError('SHAPE_MISMATCH', `has shape [${found.join(', ')}], and must have [${shape.join(', ')}]`, {
      file: path,
      tensor,
      hint: 'Moments are of the residual stream of the networks that are compared',
    });
  };
  return async (layer, part) => {
    const [mean, cov] = [`${part}.${layer}.mean`, `${part}.${layer}.cov`];
    const own = await read(mean, [width]);
    const covariance = await read(cov, [width, width]);
    if (own !== undefined && covariance === undefined)
      throw new TensimError('INVALID_FILE', `stands there without "${cov}"`, { file: path, tensor: mean, hint: HINT });
    return covariance && { cov: covariance, ...(own && { mean: own.data }) };
  };
}
