/** Samples of the stage that decides how many are needed, and of a result at least. */
export const FIRST_SAMPLES = 4096;
/** Inputs that tell how much one tells of a similarity. */
export const DEVIATION_SAMPLES = 64;
/** Markov chains of a pilot. */
export const CHAINS = 256;
/** Candidates that every chain's start is chosen from, a multiple of CHAINS in all. */
export const CANDIDATES = 16;
/** Rounds at falling temperatures. */
export const COOLING = 32;
/** Then phases of so many rounds, each with steps along the directions that the one before found. */
export const PHASES = 3;
export const ROUNDS = 25;
/** What a pilot costs, in samples. */
export const PILOT_SAMPLES = CHAINS * (CANDIDATES + COOLING + PHASES * ROUNDS);
/** So many models, evenly spread, stand for all in a pilot. */
export const PILOT_MODELS = 8;
/** In so few dimensions shells find every tail. */
export const FEW_DIMENSIONS = 4;

/** Whether a pilot looks for directions first. */
export const hasPilot = (dimension: number, maxSamples: number): boolean =>
  dimension > FEW_DIMENSIONS && maxSamples >= PILOT_SAMPLES;
