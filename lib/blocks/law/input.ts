import { TensimError } from '../../errors.js';
import { isRidge } from '../../similarity/law/law.js';
import type { InputLaw } from '../../similarity/terms/types.js';
import { valueText } from '../../words/quoting.js';

/** The blocks of a layer, as files of moments name them. */
export type BlockPart = 'mlp' | 'attn';

type Moments = Required<Exclude<InputLaw, string | { readonly sigma: number }>>;

/** The moments of one block's input. */
export interface BlockMoments {
  /** μ, of length d; absent: 0. */
  readonly mean?: Moments['mean'];
  /** Σ, (d, d). */
  readonly cov: Moments['cov'];
}

/**
 * The law of what the norm before a block gives, before its gain: `'standard'`, N(0, I); `'sphere'`, what a norm makes
 * of any input without a preferred direction: uniform on the sphere of radius √d; or a Gaussian with moments for every
 * block, from a file or from a function. Blocks for which there are none are compared under N(0, I), and say so.
 */
export type BlockInput =
  | 'standard'
  | 'sphere'
  | {
      /**
       * A file with `mlp.N.mean` (d), `mlp.N.cov` (d, d), `attn.N.mean` and `attn.N.cov` for the layers N of the first
       * network, as `tensim moments` writes it, or a folder with such files.
       */
      readonly file: string;
      /** As in `InputLaw`: how much of every covariance the identity takes over. */
      readonly ridge?: number | undefined;
    }
  | {
      /** The same of samples, (n, d), called `mlp.N` and `attn.N`: their moments are computed. */
      readonly samples: string;
      /** As in `InputLaw`. */
      readonly ridge?: number | undefined;
    }
  | {
      /** Called once for every block that is compared; undefined: there are none for it. */
      readonly momentsOf: (
        layer: number,
        part: BlockPart,
      ) => BlockMoments | undefined | Promise<BlockMoments | undefined>;
      /** What results call the law; absent: `custom`. */
      readonly name?: string | undefined;
      /** As in `InputLaw`. */
      readonly ridge?: number | undefined;
    };

/** @throws TensimError `INVALID_ARGUMENT` for what is no law of blocks */
export function checkInput(input: BlockInput): void {
  if (input === 'standard' || input === 'sphere') return;
  const given = typeof input === 'object' && input !== null ? input : {};
  const kind = (['file', 'samples', 'momentsOf'] as const).find((field) => field in given);
  const wanted = [kind, 'ridge', ...(kind === 'momentsOf' ? ['name'] : [])];
  const unknown = Object.keys(given).find((field) => !wanted.includes(field));
  const type = kind && typeof (given as Record<string, unknown>)[kind];
  if (type !== (kind === 'momentsOf' ? 'function' : 'string') || unknown !== undefined)
    throw new TensimError('INVALID_ARGUMENT', `the input law of blocks is ${valueText(input)}`, {
      hint: "It may be 'standard', 'sphere', { file, ridge }, { samples, ridge } or { momentsOf, name, ridge }",
    });
  const { ridge } = input;
  if (ridge !== undefined && !isRidge(ridge))
    throw new TensimError('INVALID_ARGUMENT', `the ridge is ${valueText(ridge)}`, {
      hint: 'It is the part of the covariance that the identity takes over, from 0 to 1',
    });
}
