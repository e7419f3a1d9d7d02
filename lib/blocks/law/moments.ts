import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { TensimError } from '../../errors.js';
import { type StampedCheckpoint, withOpen } from '../../formats/checkpoint.js';
import { storedRuns } from '../../formats/stored_runs.js';
import { localFile } from '../../hub/local_file.js';
import { momentsOfTensor } from '../../similarity/law/moments_of.js';
import type { Tensor } from '../../tensor/tensor.js';
import { quoted } from '../../words/names.js';
import type { BlockMoments, BlockPart } from './input.js';

/** Gives the moments of a block, where there are any. */
export type MomentsOf = (layer: number, part: BlockPart) => Promise<BlockMoments | undefined>;

/** Tensors of one kind, by their names. */
interface Wanted {
  readonly pattern: RegExp;
  readonly what: string;
  readonly hint: string;
}

const MOMENTS: Wanted = {
  pattern: /^(?:mlp|attn)\.(?:0|[1-9]\d{0,8})\.(?:mean|cov)$/,
  what: 'moments',
  hint: 'They are called mlp.0.mean, mlp.0.cov, attn.0.mean, attn.0.cov …: "tensim moments" writes such a file',
};
const SAMPLES: Wanted = {
  pattern: /^(?:mlp|attn)\.(?:0|[1-9]\d{0,8})$/,
  what: 'samples',
  hint: 'They are called mlp.0, attn.0 …, each (n, d)',
};

/** Files of moments in a folder, by their endings. */
const ENDINGS = /\.(?:safetensors|npz)$/i;

/** The moments of blocks in a file, or in the files of a folder, and what results call them. */
export interface OpenMoments {
  readonly name: string;
  readonly momentsOf: MomentsOf;
  /** A digest of the bytes that the moments of a layer are made of. */
  readonly contentOf: (layer: number) => Promise<string>;
}

/**
 * Opens moments for `use`. Those of a block are read when they are asked for.
 * @param width d, of the residual stream
 * @throws TensimError `FILE_NOT_FOUND`; `INVALID_FILE` for tensors that are no moments, or have no covariance beside a
 * mean; `SHAPE_MISMATCH` for those of other widths
 */
export function withMoments<Result>(
  path: string,
  width: number,
  signal: AbortSignal | undefined,
  use: (moments: OpenMoments) => Promise<Result>,
): Promise<Result> {
  return withHolders(path, MOMENTS, signal, (holders) => {
    const read = async (tensor: string, shape: readonly number[]): Promise<Tensor | undefined> => {
      const holder = holders.get(tensor);
      if (holder !== undefined) requireShape(holder, tensor, shape);
      return holder?.read(tensor, signal);
    };
    const momentsOf: MomentsOf = async (layer, part) => {
      const [mean, cov] = [`${part}.${layer}.mean`, `${part}.${layer}.cov`];
      const own = await read(mean, [width]);
      const covariance = await read(cov, [width, width]);
      if (own !== undefined && covariance === undefined)
        throw new TensimError('INVALID_FILE', `stands there without "${cov}"`, {
          file: path,
          tensor: mean,
          hint: MOMENTS.hint,
        });
      return covariance && { cov: covariance, ...(own && { mean: own.data }) };
    };
    return use({ name: basename(path), momentsOf, contentOf: contentsIn(holders, signal) });
  });
}

/**
 * The same for samples, of which moments are computed when they are asked for.
 * @throws TensimError as `withMoments` and `momentsOf`
 */
export function withSamples<Result>(
  path: string,
  width: number,
  signal: AbortSignal | undefined,
  use: (moments: OpenMoments) => Promise<Result>,
): Promise<Result> {
  return withHolders(path, SAMPLES, signal, (holders) =>
    use({
      name: basename(path),
      momentsOf: async (layer, part) => {
        const tensor = `${part}.${layer}`;
        const holder = holders.get(tensor);
        if (holder === undefined) return undefined;
        requireShape(holder, tensor, [...holder.tensors.get(tensor)!.shape.slice(0, -1), width]);
        const { mean, cov } = await momentsOfTensor(holder, tensor, tensor, { signal });
        return { mean, cov };
      },
      contentOf: contentsIn(holders, signal),
    }),
  );
}

function contentsIn(holders: ReadonlyMap<string, StampedCheckpoint>, signal: AbortSignal | undefined) {
  return async (layer: number): Promise<string> => {
    const hash = createHash('sha256');
    for (const part of ['mlp', 'attn'])
      for (const name of [`${part}.${layer}`, `${part}.${layer}.mean`, `${part}.${layer}.cov`]) {
        const holder = holders.get(name);
        if (holder === undefined) continue;
        const entry = holder.tensors.get(name)!;
        hash.update(JSON.stringify([name, entry.dtype, entry.shape]));
        for await (const bytes of storedRuns(holder.inTurn([name]), entry, signal)) hash.update(bytes);
      }
    return hash.digest('hex');
  };
}

function requireShape({ tensors, path }: StampedCheckpoint, tensor: string, shape: readonly number[]): void {
  const found = tensors.get(tensor)!.shape;
  if (found.length === shape.length && found.every((extent, i) => extent === shape[i])) return;
  throw new TensimError('SHAPE_MISMATCH', `has shape [${found.join(', ')}], and must have [${shape.join(', ')}]`, {
    file: path,
    tensor,
    hint: 'It is to be of the residual stream of the networks that are compared',
  });
}

/** The file that holds each of the tensors at a path, all of them open. */
async function withHolders<Result>(
  path: string,
  wanted: Wanted,
  signal: AbortSignal | undefined,
  use: (holders: ReadonlyMap<string, StampedCheckpoint>) => Promise<Result>,
): Promise<Result> {
  const files = await filesAt(path, signal);
  const open = (from: number, before: readonly StampedCheckpoint[]): Promise<Result> =>
    from === files.length
      ? use(holdersIn(before, wanted))
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

function holdersIn(
  checkpoints: readonly StampedCheckpoint[],
  { pattern, what, hint }: Wanted,
): ReadonlyMap<string, StampedCheckpoint> {
  const holders = new Map<string, StampedCheckpoint>();
  for (const checkpoint of checkpoints) {
    const names = [...checkpoint.tensors.keys()];
    const others = names.filter((name) => !pattern.test(name));
    if (others.length > 0 || names.length === 0) {
      const has = others.length > 0 ? quoted(others) : 'no tensors';
      throw new TensimError('INVALID_FILE', `has ${has}; ${what} of blocks were wanted`, {
        file: checkpoint.path,
        hint,
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
  return holders;
}
