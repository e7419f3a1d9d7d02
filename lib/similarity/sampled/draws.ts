import type { BackendWith } from '../../backend/backend.js';
import type { Control } from '../../backend/control.js';
import type { NormalStream } from '../../backend/normals.js';
import { Pacer } from '../../cooperate.js';
import { streamKey, threefry } from '../../gaussian/threefry.js';
import { isOnehot, type LawOfInputs, onehotInputs } from '../law/onehot.js';
import { orthogonalise } from './frames.js';
import { createProposal, type ProposalShape } from './proposal.js';

/** Inputs that all models are evaluated on. */
export interface Draw {
  /** (count, n·d) numbers, or (count, n) token ids. */
  readonly inputs: Float64Array | Int32Array;
  readonly count: number;
  /** p of every input under the law divided by that under which it was drawn; null: the same. */
  readonly weights: Float64Array | null;
}

/** How inputs come: see `ForwardSource`. */
export type InputKind = 'vectors' | 'tokens';

/** A source of inputs; the same for the same seed on every backend. */
export interface Draws {
  /** Samples `first` to `first + samples` − 1 of the stream, both multiples of `PERIOD`. */
  at(first: number, samples: number, control: Control): Promise<Draw>;
}

/** Which inputs, as plain data: with the law and the sizes of an input it says every one of them. */
export type DrawsSpec =
  | { readonly kind: 'tokens'; readonly seed: number; readonly stage: number }
  | {
      readonly kind: 'vectors';
      readonly seed: number;
      readonly stage: number;
      /** With every z also −z. */
      readonly antithetic: boolean;
      /** What z is drawn from. */
      readonly proposal: ProposalShape;
    };

/** Every sample is one input, or two of opposite sign. */
export const inputsPerSample = (
  spec: { readonly kind: 'tokens' } | Pick<DrawsSpec & { readonly kind: 'vectors' }, 'kind' | 'antithetic'>,
): 1 | 2 => (spec.kind === 'vectors' && spec.antithetic ? 2 : 1);

/**
 * The draws of any stage.
 * @param whitening of the law; null for tokens.
 */
export function drawsFrom(
  size: InputSize,
  whitening: Whitening | null,
  backend: BackendWith<'normals'>,
): (spec: DrawsSpec) => Draws {
  const made = new WeakMap<DrawsSpec, Draws>();
  return (spec) => {
    const known = made.get(spec);
    if (known !== undefined) return known;
    const draws = spec.kind === 'tokens' ? tokenDraws(size, spec) : gaussianDraws(spec, whitening!, backend);
    made.set(spec, draws);
    return draws;
  };
}

/** What inputs look like. */
export interface InputSize {
  /** n. */
  readonly positions: number;
  /** d. */
  readonly features: number;
}

/**
 * Streams of one seed: the samples of a result are independent of those that it was prepared with. Every stage of an
 * estimate has its own.
 */
export const STREAMS = {
  candidates: 4,
  further: 5,
  chains: 6,
  decisions: 7,
  fit: 8,
  weigh: 9,
  vectors: 16,
  tokens: 32,
  radii: 48,
} as const;

/** Sequences of token ids, each uniform and independent of the others. */
function tokenDraws({ positions, features }: InputSize, { seed, stage }: DrawsSpec): Draws {
  const [key0, key1] = streamKey(seed, STREAMS.tokens + stage);
  const words = new Uint32Array(2);
  return {
    async at(first, samples, { signal }) {
      const pacer = new Pacer(signal);
      const inputs = new Int32Array(samples * positions);
      for (let s = 0, at = 0; s < samples; s++) {
        for (let position = 0; position < positions; position++, at++) {
          threefry(position, first + s, key0, key1, words);
          // 53 bits: no token is likelier than another by more than 2⁻⁵³ times their number.
          inputs[at] = Math.floor((words[0] * 2 ** 21 + (words[1] >>> 11)) * 2 ** -53 * features);
        }
        if (pacer.due(64 * positions)) await pacer.pause();
      }
      return { inputs, count: samples, weights: null };
    },
  };
}

/** Inputs x = μ + C z of a law, positions independent. */
function gaussianDraws(
  spec: DrawsSpec & { readonly kind: 'vectors' },
  whitening: Whitening,
  backend: BackendWith<'normals'>,
): Draws {
  const { seed, stage, antithetic } = spec;
  const proposal = createProposal(spec.proposal);
  const numbers: NormalStream = { seed, stream: STREAMS.vectors + stage, dimension: whitening.dimension };
  const radii: NormalStream = { seed, stream: STREAMS.radii + stage, dimension: Math.max(1, proposal.extra) };
  return {
    async at(first, samples, batchControl) {
      const pacer = new Pacer(batchControl.signal);
      const z = await backend.normals.draw(numbers, first, samples, batchControl);
      const extra = await backend.normals.draw(radii, first, samples, batchControl);
      await orthogonalise(z, whitening.dimension, proposal.order, pacer);
      const weights = await proposal.stretch(z, extra, pacer);
      const signed = antithetic ? await withOpposites(z, pacer) : z;
      const count = antithetic ? 2 * samples : samples;
      return {
        inputs: await whitening.inputsOf(signed, batchControl),
        count,
        weights: repeated(weights, count / samples),
      };
    },
  };
}

/** All z, then all −z. */
async function withOpposites(z: Float64Array, pacer: Pacer): Promise<Float64Array> {
  const both = new Float64Array(2 * z.length);
  both.set(z);
  for (let i = 0; i < z.length; i++) {
    both[z.length + i] = -z[i];
    if (pacer.due(1)) await pacer.pause();
  }
  return both;
}

function repeated(weights: Float64Array, times: number): Float64Array {
  if (times === 1) return weights;
  const all = new Float64Array(weights.length * times);
  for (let t = 0; t < times; t++) all.set(weights, t * weights.length);
  return all;
}

/** z ↦ μ + C z at every position: one for all draws under a law. */
export interface Whitening {
  /** n·k, how many normal numbers make one input. */
  readonly dimension: number;
  /** x = μ + C z for rows of z, which are left as they are. */
  inputsOf(z: Float64Array, control: Control): Promise<Float64Array>;
  dispose(): void;
}

export async function openWhitening(
  { positions, features }: InputSize,
  law: LawOfInputs,
  backend: BackendWith<'forward'>,
  control: Control,
): Promise<Whitening> {
  if (isOnehot(law)) {
    return {
      dimension: positions * features,
      inputsOf: (z, { signal }) => onehotInputs(z, law, new Pacer(signal)),
      dispose: () => {},
    };
  }
  const { mean, factor, sigma } = law;
  const dimension = positions * (factor?.columns ?? features);
  if (factor !== undefined) {
    const weight = { data: factor.data, shape: [features, factor.columns] };
    const bias = mean && { data: mean, shape: [features] };
    const pass = await backend.forward.prepare(
      {
        layers: [{ type: 'linear', weight, ...(bias && { bias }) }],
        positions: 1,
        features: factor.columns,
        input: 'vectors',
      },
      'float64',
      control,
    );
    return {
      dimension,
      inputsOf: async (z, applied) => (await pass.evaluate(z, applied)) as Float64Array,
      dispose: () => pass.dispose(),
    };
  }
  if (sigma === 1 && mean === undefined) return { dimension, inputsOf: async (z) => z, dispose: () => {} };
  return {
    dimension,
    async inputsOf(z, { signal }) {
      const pacer = new Pacer(signal);
      const x = new Float64Array(z.length);
      for (let at = 0; at < z.length; at += features) {
        for (let i = 0; i < features; i++) x[at + i] = (mean === undefined ? 0 : mean[i]) + sigma * z[at + i];
        if (pacer.due(features)) await pacer.pause();
      }
      return x;
    },
    dispose: () => {},
  };
}
