// Commands that bring rooms of their own, which take as long to compile as all others.
export { addAdapters } from './adapters.js';
export { addBlocks } from './blocks.js';
export { addCompletion } from './completion.js';
export { addContract } from './contract.js';
export { addExplain } from './explain.js';
export { addMerge } from './merge.js';
export { addMoments } from './moments.js';
export { addVerify } from './verify.js';
export { addWatch } from './watch.js';
export { addWorker } from './worker.js';
