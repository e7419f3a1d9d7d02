import { TensimError } from '../../errors.js';

/** @throws TensimError `INVALID_ARGUMENT` where there are not as many networks as are compared. */
export function requireNetworks(paths: readonly string[], matrix: boolean): readonly string[] {
  const isList = Array.isArray(paths) && paths.every((path) => typeof path === 'string');
  if (isList && (matrix ? paths.length >= 2 : paths.length === 2)) return paths;
  throw new TensimError(
    'INVALID_ARGUMENT',
    `${isList ? paths.length : 'no'} networks are given to be compared in shards`,
    {
      hint: 'Give the paths of two, or of more with the option matrix',
    },
  );
}
