import type { BackendWith } from '../../backend/backend.js';
import type { GramTile, PreparedModel } from '../../backend/grams.js';
import { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { withLinear } from '../../layers/layer.js';
import type { Span } from '../../model/transformers/pieces.js';
import { type LawOfInputs, underLaw } from '../../similarity/law/onehot.js';
import { asNumbers, inUnits, type ModelScale, PLAIN } from '../../similarity/scale/model_scale.js';
import { chainSource } from '../../similarity/scale/source.js';
import { type MlpShape, type MlpSource, partsOf } from './source.js';

/** What exact products of MLPs are computed with. */
export interface ExactSettings {
  readonly backend: BackendWith<'grams'>;
  readonly law: LawOfInputs;
  readonly threads: number | undefined;
  readonly signal: AbortSignal | undefined;
}

const DEGREES = 4;
/** What all parts that are prepared at a time may take. */
const PREPARED_BYTES = 80 * 2 ** 20;
/** Of fewer units a part costs more to prepare than to compare. */
const FEWEST = 256;
/** Coefficients of a unit, in bytes. */
const SERIES = 4096;

/** How many units of each of so many MLPs are prepared at a time. */
export function unitsAtOnce(shapes: readonly MlpShape[]): number {
  const [{ width, gated }] = shapes;
  const each = PREPARED_BYTES / (2 * shapes.length) - 8 * width ** 2;
  // Packed for both sides of a product: directions, rows across them, outputs; and outputs once more.
  const units = Math.floor(each / (8 * (gated ? 7 : 5) * width + SERIES));
  return Math.max(FEWEST, units - (units % 64));
}

/** How many times each MLP is prepared, of so many that are compared: once for every part before a part. */
export function preparations(shapes: readonly MlpShape[]): number {
  const most = shapes.reduce((units, shape) => Math.max(units, shape.units), 0);
  return (Math.ceil(most / unitsAtOnce(shapes)) + 1) / 2;
}

/**
 * Inner products of MLPs under a law, (mlps, mlps), with degrees: the sums of those of parts of their units, of which two
 * of each MLP are in memory at a time. A part is prepared once for every part before it.
 * @param step units of a part
 */
export async function exactGram(
  mlps: readonly MlpSource[],
  settings: ExactSettings,
  step = unitsAtOnce(mlps),
): Promise<GramTile> {
  const most = mlps.reduce((a, b) => (b.units > a.units ? b : a));
  const spans = [...partsOf(most, step)];
  const sums = new GramSums(mlps.length);
  for (const [at, span] of spans.entries()) {
    const rows = await prepared(mlps, span, settings);
    try {
      await sums.add(rows, rows, settings);
      for (const later of spans.slice(at + 1)) {
        const columns = await prepared(mlps, later, settings);
        try {
          await sums.add(rows, columns, settings);
        } finally {
          letGo(columns);
        }
      }
    } finally {
      letGo(rows);
    }
  }
  return sums.result;
}

interface PreparedPart {
  /** Which MLP it is of. */
  readonly place: number;
  readonly model: PreparedModel;
  readonly scale: ModelScale;
}

const letGo = (parts: readonly PreparedPart[]) => {
  for (const { model } of parts) model.dispose();
};

/** These units of all MLPs that have as many. */
async function prepared(
  mlps: readonly MlpSource[],
  span: Span,
  { backend, law, threads, signal }: ExactSettings,
): Promise<PreparedPart[]> {
  const parts: PreparedPart[] = [];
  const pacer = new Pacer(signal);
  const chainOf = underLaw(law);
  try {
    for (const [place, mlp] of mlps.entries()) {
      if (span.from >= mlp.units) continue;
      const layer = await mlp.part({ from: span.from, to: Math.min(span.to, mlp.units) });
      const chain = { ...(await chainOf(withLinear([layer]), pacer)), inputs: mlp.width, positions: 1 };
      const about = { method: 'hidden', route: undefined, gain: mlp.gain } as const;
      const source = await chainSource(chain, about, { dtype: 'float64', perOutput: false }, pacer);
      const model = await backend.grams.prepare(source, 'float64', { threads, signal });
      mlp.done(layer);
      parts.push({ place, model, scale: source.scale ?? PLAIN });
    }
  } catch (error) {
    letGo(parts);
    throw error;
  }
  return parts;
}

/** Adds up products of parts, and of degrees and bounds. */
class GramSums {
  readonly #size: number;
  readonly #total: Float64Array;
  readonly #degrees: Float64Array;
  readonly #bound: Float64Array;

  constructor(size: number) {
    this.#size = size;
    this.#total = new Float64Array(size * size);
    this.#degrees = new Float64Array(size * size * DEGREES);
    this.#bound = new Float64Array(size * size);
  }

  /** The products of parts with parts; of other ones these stand for those of columns with rows too. */
  async add(
    rows: readonly PreparedPart[],
    columns: readonly PreparedPart[],
    { backend, threads, signal }: ExactSettings,
  ): Promise<void> {
    const isSame = rows === columns;
    const job = { measure: 'gaussian', symmetric: isSame, perOutput: false, degrees: true } as const;
    const [models, others] = [rows, columns].map((parts) => parts.map(({ model }) => model));
    const [scales, otherScales] = [rows, columns].map((parts) => parts.map(({ scale }) => scale));
    const found = await backend.grams.tile(job, models, others, { threads, signal });
    const scaled = inUnits(found, scales, otherScales);
    const tile = scaled === null ? found : asNumbers(scaled);
    if (tile === null)
      throw new TensimError('PRECISION', 'an inner product of two MLPs is beyond the range of numbers', {
        hint: 'Weights are very large, or very small: scale them, or use the method "sampled"',
      });
    const powers = scaled === null ? undefined : scaled.exponents;
    for (const [r, row] of rows.entries())
      for (const [c, column] of columns.entries()) {
        const cell = r * columns.length + c;
        const unit = powers === undefined ? 1 : 2 ** powers[cell];
        this.#put(row.place, column.place, tile, found.perDegree!, cell, unit);
        if (!isSame) this.#put(column.place, row.place, tile, found.perDegree!, cell, unit);
      }
  }

  get result(): GramTile {
    return { total: this.#total, perDegree: this.#degrees, bound: this.#bound };
  }

  #put(row: number, column: number, { total, bound }: GramTile, degrees: Float64Array, cell: number, unit: number) {
    const at = row * this.#size + column;
    this.#total[at] += total[cell];
    this.#bound[at] += bound?.[cell] ?? 0;
    for (let n = 0; n < DEGREES; n++) this.#degrees[at * DEGREES + n] += degrees[cell * DEGREES + n] * unit;
  }
}
