import { TensimError } from '../errors.js';
import { parseJson, readText } from '../formats/text_file.js';
import type { Provenance } from '../model/model.js';
import { SCHEMAS } from '../report/schemas.js';
import type { Making } from '../similarity/gate/baseline.js';
import type { Judged, JudgedSlice } from '../similarity/gate/gate.js';

/** More than half a million outputs. */
const JSON_BYTES = 256 * 1024 * 1024;

/** An earlier comparison as a file holds it. */
export interface Baseline extends Judged {
  /** Digest of the reference it was made with, where the file says it, and where in its file that was. */
  readonly reference: Pick<Provenance, 'sha256' | 'key'> | null;
}

/**
 * Reads a baseline: the JSON of `tensim gate --format json`, or of `tensim compare --json --per-output`.
 * @throws TensimError `FILE_NOT_FOUND`, `INVALID_FILE` naming what is wrong with it.
 */
export async function readBaseline(file: string): Promise<Baseline> {
  const whole = parse(await readText(file, JSON_BYTES), file);
  const isGate = whole.schema === SCHEMAS.gate;
  const comparison = isGate ? whole.comparison : whole;
  if (!isObject(comparison) || comparison.schema !== SCHEMAS.compare) {
    throw invalid(file, isGate ? 'is of a gate that ended in an error' : 'is no comparison');
  }
  const { similarity, standardError, sampling = null, perOutput } = comparison;
  if (!isNumberOrNull(similarity) || !isNumberOrNull(standardError)) throw invalid(file, 'has no similarity');
  if (!isSampling(sampling)) throw invalid(file, 'does not say how it was sampled');
  if (!Array.isArray(perOutput) || !perOutput.every(isSlice)) throw invalid(file, 'has no similarities per output');
  const making = makingOf(comparison);
  if (making === null) throw invalid(file, 'does not say how it was made');
  if (making.method === 'sampled' && sampling === null) throw invalid(file, 'does not say how it was sampled');
  const { sha256, key } = isObject(whole.reference) ? whole.reference : {};
  return {
    similarity,
    standardError,
    sampling,
    perOutput,
    ...making,
    reference: typeof sha256 === 'string' ? { sha256, ...(typeof key === 'string' && { key }) } : null,
  };
}

/**
 * Makes sure that a baseline was made against the same reference, where both are known.
 * @throws TensimError `INVALID_ARGUMENT`
 */
export function checkReference({ reference }: Baseline, { sha256, key }: Provenance, file: string): void {
  if (reference === null || sha256 === undefined) return;
  if (reference.sha256 === sha256 && reference.key === key) return;
  throw new TensimError(
    'INVALID_ARGUMENT',
    'the baseline was made against another reference, by its checksum or its key',
    {
      file,
      hint: 'Make it anew: tensim gate … --format json > baseline.json',
    },
  );
}

function parse(text: string, file: string): Record<string, unknown> {
  try {
    const value: unknown = parseJson(text);
    if (isObject(value)) return value;
  } catch (cause) {
    throw invalid(file, 'is not JSON', cause);
  }
  throw invalid(file, 'is no comparison');
}

function invalid(file: string, what: string, cause?: unknown): TensimError {
  return new TensimError('INVALID_FILE', `the baseline ${what}`, {
    file,
    hint: 'It is what "tensim gate … --format json" or "tensim compare … --json --per-output" prints',
    cause,
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * How a comparison says it was made; null if it does not. Only compared with what the gate does: any other text is a
 * mismatch.
 */
function makingOf({
  measure,
  method,
  exact,
  dtype,
  tf32,
  input,
  inputDigest,
  normB,
}: Record<string, unknown>): Making | null {
  if (![measure, method, dtype].every((part) => typeof part === 'string') || typeof exact !== 'boolean') return null;
  if (input !== null && typeof input !== 'string') return null;
  return {
    ...({ measure, method, exact, dtype, input } as Making),
    ...(tf32 === true && { tf32 }),
    ...(typeof inputDigest === 'string' && { inputDigest }),
    ...(typeof normB === 'number' && { normB }),
  };
}

function isNumberOrNull(value: unknown): value is number | null {
  return value === null || typeof value === 'number';
}

function isSampling(value: unknown): value is Judged['sampling'] {
  return value === null || (isObject(value) && typeof value.effectiveSamples === 'number');
}

function isSlice(value: unknown): value is JudgedSlice {
  if (!isObject(value) || typeof value.name !== 'string') return false;
  return isNumberOrNull(value.similarity) && isNumberOrNull(value.standardError ?? null);
}
