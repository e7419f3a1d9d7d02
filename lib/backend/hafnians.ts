import type { PairedLegs } from '../gaussian/sieve.js';
import type { Ability } from './ability.js';
import type { Control } from './control.js';

/** Sums over perfect matchings. */
export interface Hafnians extends Ability {
  /** The loop hafnian over pairs of legs, by the sieve of MATH.md section 4: exponential in the number of pairs. */
  loopHafnian(legs: PairedLegs, control?: Control): Promise<number>;
}
