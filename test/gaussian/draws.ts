import type { Rows } from '../support/oracles.js';
import { covarianceOf } from '../support/oracles.js';
import type { Random } from '../support/random.js';

export function symmetric(size: number, draw: () => number): Rows {
  const rows: Rows = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      rows[i][j] = draw();
      rows[j][i] = rows[i][j];
    }
  }
  return rows;
}

/** A Gaussian vector of `size` made of `rank` independent ones. */
export function law(size: number, rank: number, { normal }: Random) {
  const mean = Array.from({ length: size }, normal);
  const factor = Array.from({ length: size }, () => Array.from({ length: rank }, normal));
  return { mean, factor, cov: covarianceOf({ mean, factor }) };
}
