import type { Contractions } from './contractions.js';
import type { Eigen } from './eigen.js';
import type { Forms } from './forms.js';
import type { Forward } from './forward.js';
import type { Grams } from './grams.js';
import type { Hafnians } from './hafnians.js';
import type { LowRank } from './low_rank.js';
import type { Normals } from './normals.js';

/** `native`: the C++ addon; `cuda`: NVIDIA GPUs, in a build of one's own; `fallback`: TypeScript, everywhere. */
export type BackendName = 'native' | 'cuda' | 'fallback';

/** The seam between what is written once and what exists per backend: everything that one may be able to do. */
export interface Abilities {
  readonly grams: Grams;
  readonly forward: Forward;
  readonly normals: Normals;
  readonly forms: Forms;
  readonly contractions: Contractions;
  readonly hafnians: Hafnians;
  readonly lowRank: LowRank;
  readonly eigen: Eigen;
}

export type AbilityName = keyof Abilities;

interface Named {
  readonly name: BackendName;
  /** Whether products of floats are one pass of TF32. */
  readonly tf32?: true | undefined;
  /** The same backend with such products; absent where it has none (`asWanted` in tf32.ts). */
  readonly inTf32?: Backend | undefined;
}

/** A name, and what it is able to do. What it is not is not there. */
export type Backend = Named & Partial<Abilities>;

/** One that has these abilities. */
export type BackendWith<Name extends AbilityName> = Backend & Pick<Abilities, Name>;
