import type { BackendWith } from '../../backend/backend.js';
import type { Control } from '../../backend/control.js';
import type { ResolvedSettings } from '../terms/options.js';

/** What sampling needs to know of the settings. */
export type SampleSettings = Pick<
  ResolvedSettings,
  'dtype' | 'threads' | 'signal' | 'onProgress' | 'perOutput' | 'seed' | 'tolerance' | 'maxSamples'
> & {
  readonly backend: BackendWith<'grams' | 'forward' | 'normals'>;
  /** Bytes that models packed for the forward pass may take at a time; default: any number. */
  readonly memoryLimit?: number | undefined;
};

/** How the parts of the work are steered; their progress is counted in samples, above them. */
export const controlOf = ({ signal, threads }: Omit<Control, 'onProgress'>): Control => ({ signal, threads });
