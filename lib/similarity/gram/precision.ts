import { TensimError } from '../../errors.js';
import { levelOf } from '../../tensor/power.js';
import type { Member } from '../members.js';
import type { ModelScale } from '../scale/model_scale.js';
import { normLevel, prepareInUnits } from '../scale/prepare.js';
import type { Sources } from '../sources.js';
import type { GramSettings } from './control.js';

/** How far, in bits, a norm may be below that of the terms it is made of before float32 is put to the test: there rounding may exceed 1e-5. */
const SUSPICIOUS = 3;
/** What float32 may be off by, of a norm. */
const ALLOWED = 1e-5;

/** In double precision the error of a similarity is about ε times the ratio of the terms to the norm: 1e-5 where that is so many bits. */
const DOUBLE_BITS = 35;

/**
 * Makes sure of a norm whose terms cancel. One computed in float32 is put to the test by float64, whose cost is that of one more model.
 * @param square ⟨f,f⟩ in the units of the model.
 * @throws TensimError `PRECISION` where similarities would be off by more than 1e-5.
 */
export async function checkPrecision(
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
  if (settings.dtype === 'float64') return;
  const source = await sources.of(member);
  if (source.inFloat64 === undefined) return;
  const wide = { ...settings, dtype: 'float64' } as const;
  const [prepared] = await prepareInUnits([await source.inFloat64()], wide);
  try {
    const difference = levelOf(square) + exponent - (await normLevel(prepared, wide)) - prepared.scale.exponent;
    const relative = Math.abs(Math.expm1(difference * Math.LN2));
    if (relative <= ALLOWED) return;
    throw new TensimError(
      'PRECISION',
      `float32 is too coarse for "${member.outline.label}": its terms cancel, and its norm is off by ${relative.toPrecision(1)} of itself`,
      { hint: 'Use dtype "float64"' },
    );
  } finally {
    prepared.model.dispose();
  }
}
