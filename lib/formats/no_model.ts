import { TensimError } from '../errors.js';

/** A sound file in which there is no model that is known. Among others, in a folder, it is passed over. */
export class NoModelError extends TensimError {}
