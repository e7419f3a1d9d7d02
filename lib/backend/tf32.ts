import { TensimError } from '../errors.js';
import { valueText } from '../words/quoting.js';
import type { BackendName } from './backend.js';
import type { Task } from './task.js';

/** What the option `tf32` is held to: the compute type, and the backend as it is asked for. */
interface Asked {
  readonly tf32?: boolean | undefined;
  readonly dtype: unknown;
  readonly backend?: 'auto' | BackendName | undefined;
}

/**
 * Whether products may be one pass of TF32, as an option asks for it.
 * @throws TensimError `INVALID_ARGUMENT` where there can be none: in float64, and on a backend named that has none.
 */
export function checkTf32({ tf32 = false, dtype, backend = 'auto' }: Asked): boolean {
  if (typeof tf32 !== 'boolean')
    throw new TensimError('INVALID_ARGUMENT', `the option "tf32" is ${valueText(tf32)}`, {
      hint: 'It is true or false',
    });
  if (!tf32) return false;
  if (dtype !== 'float32')
    throw new TensimError('INVALID_ARGUMENT', 'TF32 was asked for, and the compute type is not "float32"', {
      hint: 'Products in TF32 have factors of 11 bits: ask for dtype "float32" as well',
    });
  if (backend !== 'auto' && backend !== 'cuda')
    throw new TensimError('INVALID_ARGUMENT', `TF32 was asked for, and the backend "${backend}" has none`, {
      hint: 'The backend "cuda" has it; "auto" uses it where it takes that one',
    });
  return true;
}

/** The backend as a task wants it: with products in TF32 where the task lets it and they would be. */
export function asWanted<Own extends { readonly inTf32?: object | undefined }>(backend: Own, task: Task): Own {
  const { inTf32 } = backend;
  if (inTf32 === undefined) return backend;
  const wanted = Object.entries(task).some(([name, { tf32, dtype, method }]) => {
    const known = (inTf32 as Own & { readonly [ability: string]: { readonly tf32?: unknown } | undefined })[name]?.tf32;
    const takes = known instanceof Set ? method === undefined || known.has(method) : known === true;
    return tf32 === true && dtype === 'float32' && takes;
  });
  return wanted ? (inTf32 as Own) : backend;
}
