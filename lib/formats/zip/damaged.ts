import { TensimError } from '../../errors.js';
import type { ByteSource } from '../source_file.js';

const DAMAGED = 'The file is damaged or was cut short: copy or download it again';

/** An error about an archive as such. */
export function damaged(source: ByteSource, problem: string, hint = DAMAGED): TensimError {
  return new TensimError('INVALID_FILE', problem, {
    file: source.path,
    hint,
  });
}
