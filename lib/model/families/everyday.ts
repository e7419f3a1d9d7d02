import type { Blueprint, Tensors } from '../blueprint.js';
import type { ModelSettings } from '../settings.js';

/**
 * A kind of network that is recognised by what its modules are called, in any of many ways, and by shapes that fit.
 * Other than a `Family` it is asked last, when no description is there either.
 * @returns undefined for a checkpoint that is no such network.
 * @throws TensimError for one that is, where something must be said that its tensors do not tell.
 */
export type Everyday = (tensors: Tensors, settings: ModelSettings) => Blueprint | undefined;
