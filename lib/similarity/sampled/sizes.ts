/** Samples of the stage that decides how many are needed, and of a result at least. */
export const FIRST_SAMPLES = 4096;
/** Inputs that tell how much one tells of a similarity. */
export const DEVIATION_SAMPLES = 64;
