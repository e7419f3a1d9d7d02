import { additive, countLayers, type Family, matchNames } from './family.js';

const MATRIX = /^[LRD]s\.(0|[1-9]\d*)$/;

/**
 * n ≥ 1 bilinear blocks of bare matrices, x ← D((L x) ⊙ (R x)), or x plus that: `Ls.{i}` and `Rs.{i}` (h, d), `Ds.{i}`
 * (d, h); i counts from 0. Both kinds are in use under these names, so that the setting `residual` has no default.
 */
export const stack: Family = {
  name: 'stack',
  looksFor: '{Ls,Rs,Ds}.{i}',
  match(tensors) {
    const numbers = Array.from({ length: countLayers(tensors, MATRIX) }, (_, index) => index);
    return matchNames(
      tensors,
      numbers.flatMap((index) => ['Ls', 'Rs', 'Ds'].map((side) => `${side}.${index}`)),
      [],
    );
  },
  blueprint(tensors, settings) {
    const residual = settings.residual() ? additive(1) : { alpha: 0, beta: 1 };
    return {
      family: 'stack',
      positions: 1,
      layers: Array.from({ length: countLayers(tensors, MATRIX) }, (_, index) => ({
        type: 'bilinear' as const,
        left: { tensor: `Ls.${index}` },
        right: { tensor: `Rs.${index}` },
        down: { tensor: `Ds.${index}` },
        ...residual,
      })),
    };
  },
};
