import type { GramTile } from '../../backend/grams.js';
import { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { levelOf } from '../../tensor/power.js';
import { EPSILON, precisionOf } from '../../tensor/tensor.js';
import type { Member } from '../members/members.js';
import { clearRounding, type ModelScale } from '../scale/model_scale.js';
import { normLevel, prepareInUnits } from '../scale/prepare.js';
import { chainSource } from '../scale/source.js';
import { checkNorm, checkProduct, type GramSettings } from './control.js';
import type { Sources } from './sources.js';

/**
 * How far, in bits, a norm may be below that of the terms it is made of before float32 is put to the test: there
 * rounding may exceed 1e-5.
 */
const SUSPICIOUS = 3;
/** What they may be off by, of a norm. */
const ALLOWED = { float32: 1e-5, tf32: 1e-2 } as const;

/**
 * In double precision the error of a similarity is about ε times the ratio of the terms to the norm: 1e-5 where that is
 * so many bits.
 */
const DOUBLE_BITS = 35;

/**
 * Everything that the inner product of a model with itself must be: a norm, and not rounding. Slices that are rounding
 * become zero.
 * @param tile in units. @param cell where the product stands.
 * @throws TensimError `NOT_FINITE`, `ZERO_NORM` or `PRECISION` naming the model.
 */
export async function checkOwn(
  { total, perOutput }: GramTile,
  cell: number,
  scale: ModelScale,
  member: Member,
  sources: Sources,
  settings: GramSettings,
): Promise<void> {
  const { label } = member.outline;
  const precision = precisionOf(settings.dtype, settings.backend);
  checkNorm(total[cell], scale, label, precision);
  checkProduct(total[cell], label, label, true);
  if (perOutput) clearRounding(perOutput, cell * sources.names.length, scale, EPSILON[precision]);
  await checkPrecision(total[cell], scale, member, sources, settings);
}

/**
 * Makes sure of a norm whose terms cancel. One computed in float32 is put to the test by float64, whose cost is that of
 * one more model.
 * @param square ⟨f,f⟩ in the units of the model.
 * @throws TensimError `PRECISION` where similarities would be off by more than 1e-5, or 1e-2 in TF32.
 */
async function checkPrecision(
  square: number,
  { level, exponent }: ModelScale,
  member: Member,
  sources: Sources,
  settings: GramSettings,
): Promise<void> {
  if (level === null || levelOf(square) >= level - SUSPICIOUS) return;
  if (levelOf(square) < level - DOUBLE_BITS) {
    throw new TensimError(
      'PRECISION',
      `"${member.outline.label}" is too near to zero: its terms cancel but for rounding`,
      {
        hint: 'Leave it out, or use another input law',
      },
    );
  }
  const precision = precisionOf(settings.dtype, settings.backend);
  if (precision === 'float64') return;
  const wide = { ...settings, dtype: 'float64', perOutput: false } as const;
  const source = await sources.of(member);
  if (source.kind !== 'chain' || source.chain === undefined) return;
  const own = await chainSource(source.chain, source, wide, new Pacer(wide.signal));
  const [prepared] = await prepareInUnits([own], wide);
  try {
    const difference = levelOf(square) + exponent - (await normLevel(prepared, wide)) - prepared.scale.exponent;
    const relative = Math.abs(Math.expm1(difference * Math.LN2));
    if (relative <= ALLOWED[precision]) return;
    throw new TensimError(
      'PRECISION',
      `${precision === 'tf32' ? 'TF32' : precision} is too coarse for "${member.outline.label}": its terms cancel, and its norm is off by ${relative.toPrecision(1)} of itself`,
      { hint: 'Use dtype "float64"' },
    );
  } finally {
    prepared.model.dispose();
  }
}
