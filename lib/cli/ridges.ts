// A sweep over ridges, which few comparisons are: compiled when one is.
export { ridgeJsonText } from '../report/ridge/json.js';
export { ridgeText } from '../report/ridge/text.js';
export { ridgeSweep } from '../similarity/series/ridge_sweep.js';
