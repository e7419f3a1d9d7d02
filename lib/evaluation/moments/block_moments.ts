import type { BackendName } from '../../backend/backend.js';
import type { Forward, ForwardPass } from '../../backend/forward.js';
import { kindsOf } from '../../backend/task.js';
import { checkTf32 } from '../../backend/tf32.js';
import { Pacer, throttle } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { kindOf } from '../../layers/table.js';
import { takeBackend } from '../../machines/select.js';
import type { Layer, Model } from '../../model/model.js';
import { steadily } from '../../tensor/steady.js';
import type { Tensor, TensorData } from '../../tensor/tensor.js';
import type { EvaluateOptions } from '../evaluate.js';
import { passWork } from '../work.js';
import { type Section, sectionsOf } from './blocks.js';
import { type Group, grouped, type Sequences } from './sequences.js';
import { MomentSums } from './sums.js';

/** Mean and covariance of what every block of a transformer takes on given text. */
export interface ComputedMoments {
  /** Tells this result from others. */
  readonly kind: 'moments';
  /** Of all sequences together; each is a sample of the stream at every block. */
  readonly tokens: number;
  /** How many there were. */
  readonly sequences: number;
  /**
   * In float64: `attn.N.mean` and `mlp.N.mean`, (d), and `attn.N.cov` and `mlp.N.cov`, (d, d), of layer N from 0. Of the
   * stream as the block's norm gives it before its gain; of the stream itself, where a block has no norm before it.
   */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Who ran the model. */
  readonly backend: BackendName;
}

/** Positions of the stream that are in memory at once. */
const ROWS = 2048;

/**
 * Runs a transformer on sequences of tokens, and takes mean and covariance of what each of its blocks is given: the law
 * of the input under which its blocks are to be compared on text like this one. All positions count alike. The
 * sequences may have any lengths; those of one length are run together.
 *
 *     const { tensors } = await blockMoments(await loadModel('llama/'), tokens);
 *     await writeSafetensors('moments.safetensors', tensors);
 *
 * @throws TensimError (rejects) `UNSUPPORTED_LAYER` for a model that takes no tokens or has no blocks of a transformer;
 * `INVALID_ARGUMENT` for what are no tokens of it, `SHAPE_MISMATCH` for a sequence longer than it has positions,
 * `NOT_FINITE` where the stream leaves the range of numbers; the signal's reason
 */
export async function blockMoments(
  model: Model,
  sequences: Sequences,
  options: EvaluateOptions = {},
): Promise<ComputedMoments> {
  const { dtype = 'float64', tf32: asked, backend, onProgress, onBackend, ...control } = options;
  const tf32 = checkTf32({ tf32: asked, dtype, backend });
  const { layers, label, inputShape } = model;
  if (layers.length === 0 || !kindOf(layers[0]).takesTokens)
    throw new TensimError('UNSUPPORTED_LAYER', `"${label}" takes no tokens: its first layer is no embedding`);
  const sections = sectionsOf(model);
  const most = layers.reduce(
    (least, layer) => Math.min(least, kindOf(layer).mostPositions?.(layer) ?? least),
    Number.POSITIVE_INFINITY,
  );
  return steadily([model, sequences], async () => {
    const groups = await grouped(sequences, inputShape[1], most, new Pacer(control.signal));
    const task = { forward: { kinds: kindsOf([model]), dtype, tf32 } } as const;
    const total = groups.reduce((sum, { tokens }) => sum + tokens.length, 0);
    const work = () => passWork(model, total, { kind: 'tokens', dtype, threads: control.threads });
    const taken = await takeBackend(backend, task, control.signal, work);
    const { forward, name } = taken.backend;
    onBackend?.(name, taken.passedOver, taken.backend.tf32 === true);
    const report = throttle(onProgress ?? (() => undefined));
    const sums = new Map<string, MomentSums>();
    let done = 0;
    report(0, total);
    for (const group of groups) {
      const run = await Run.prepare(forward, sections, group.positions, inputShape[1], { dtype, ...control });
      try {
        for (const tokens of batchesOf(group)) {
          await run.add(tokens, sums, { backend, ...control });
          done += tokens.length;
          report(done, total);
        }
      } finally {
        run.dispose();
      }
    }
    const tensors = new Map<string, Tensor>();
    for (const [block, own] of sums) {
      const { mean, covariance } = await own.moments();
      const d = mean.length;
      tensors.set(`${block}.mean`, { data: mean, shape: [d] });
      tensors.set(`${block}.cov`, { data: covariance, shape: [d, d] });
    }
    const count = groups.reduce((sum, { positions, tokens }) => sum + tokens.length / positions, 0);
    return { kind: 'moments', tokens: total, sequences: count, tensors, backend: name };
  });
}

function* batchesOf({ positions, tokens }: Group): Generator<Int32Array> {
  const size = positions * Math.max(1, Math.floor(ROWS / positions));
  for (let at = 0; at < tokens.length; at += size) yield tokens.subarray(at, at + size);
}

type Control = Pick<EvaluateOptions, 'signal' | 'threads'>;

/** A section ready to be run: its layers, unless they are the last, and the norms of its blocks. */
interface Step {
  readonly width: number;
  readonly blocks: readonly { readonly name: string; readonly norm: ForwardPass | null }[];
  readonly layers: ForwardPass | null;
}

/** A model for inputs of so many positions. */
class Run {
  readonly #steps: readonly Step[];
  readonly #control: Control;

  private constructor(steps: readonly Step[], control: Control) {
    this.#steps = steps;
    this.#control = control;
  }

  static async prepare(
    forward: Forward,
    sections: readonly Section[],
    positions: number,
    vocabulary: number,
    { dtype, ...control }: Control & { readonly dtype: NonNullable<EvaluateOptions['dtype']> },
  ): Promise<Run> {
    const passes: ForwardPass[] = [];
    const prepare = async (layers: readonly Layer[], features: number, input: 'tokens' | 'vectors') => {
      const pass = await forward.prepare({ layers, positions, features, input }, dtype, control);
      passes.push(pass);
      return pass;
    };
    try {
      const steps: Step[] = [];
      for (const [i, { layers, blocks }] of sections.entries()) {
        const width = i === 0 ? vocabulary : kindOf(layers[0]).widths(layers[0]).takes;
        const norms: Step['blocks'][number][] = [];
        for (const { name, norm } of blocks)
          norms.push({ name, norm: norm && (await prepare([norm], width, 'vectors')) });
        const isLast = i === sections.length - 1;
        const own = isLast ? null : await prepare(layers, width, i === 0 ? 'tokens' : 'vectors');
        steps.push({ width, blocks: norms, layers: own });
      }
      return new Run(steps, control);
    } catch (error) {
      for (const pass of passes) pass.dispose();
      throw error;
    }
  }

  /** Adds what blocks take on sequences to the sums of each, by its name. */
  async add(
    tokens: Int32Array,
    sums: Map<string, MomentSums>,
    control: Control & Pick<EvaluateOptions, 'backend'>,
  ): Promise<void> {
    let stream: TensorData | Int32Array = tokens;
    const pacer = new Pacer(control.signal);
    for (const { width, blocks, layers } of this.#steps) {
      for (const { name, norm } of blocks) {
        const own = norm === null ? (stream as TensorData) : await norm.evaluate(stream, this.#control);
        const sum = sums.get(name) ?? new MomentSums(width, control, pacer);
        sums.set(name, sum);
        await sum.add(await finite(own, name, pacer));
      }
      if (layers !== null) stream = await layers.evaluate(stream, this.#control);
    }
  }

  dispose(): void {
    for (const { blocks, layers } of this.#steps) {
      layers?.dispose();
      for (const { norm } of blocks) norm?.dispose();
    }
  }
}

/** Elements that are copied between two looks at the clock. */
const RUN = 1 << 14;

/**
 * A copy in double precision.
 * @throws TensimError `NOT_FINITE`
 */
async function finite(rows: TensorData, block: string, pacer: Pacer): Promise<Float64Array> {
  const copy = new Float64Array(rows.length);
  for (let from = 0; from < copy.length; from += RUN) {
    const part = rows.subarray(from, from + RUN);
    if (!part.every(Number.isFinite))
      throw new TensimError('NOT_FINITE', `the stream before ${block} has numbers that are not finite`, {
        hint: 'Run it in float64 (--dtype float64, option "dtype")',
      });
    copy.set(part, from);
    if (pacer.due(2 * part.length)) await pacer.pause();
  }
  return copy;
}
