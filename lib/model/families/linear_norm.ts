import { TensimError } from '../../errors.js';
import { quote } from '../../words/quoting.js';
import type { NormKind } from '../setting_types.js';
import type { ModelSettings } from '../settings.js';
import { untold } from './refusals.js';

/**
 * What stands before the blocks of a network whose tensors are the same with an RMS norm there as without.
 * @param describing fields by which a config file is known to be of such a network: it then says everything, and one
 * that says nothing of a norm says that there is none.
 * @throws TensimError `UNSUPPORTED_LAYER` for a norm that is no linear map; `INVALID_FILE` where nobody says it.
 */
export function linearNorm(settings: ModelSettings, describing: readonly string[] = []): NormKind {
  const norm = settings.norm(describing);
  if (norm === undefined)
    throw new TensimError(
      'INVALID_FILE',
      'does not say "norm", and its tensors do not either: with an RMS norm before its blocks it would have the same',
      {
        file: settings.file,
        hint: `Put the config.json or history.json of its training beside it, or say it: --config '{"norm": "none"}', option config.norm`,
      },
    );
  const refused = noLinearNorm(settings);
  if (refused !== undefined) throw refused;
  return norm.value;
}

/** The error for a network of which somebody says that it has a norm that is no linear map; undefined for others. */
export function noLinearNorm(settings: ModelSettings): TensimError | undefined {
  const norm = settings.norm([]);
  if (norm?.value.kind !== 'other') return undefined;
  const { stated } = norm.value;
  const what = /rms/i.test(stated) || /^true$/i.test(stated) ? 'an RMS norm' : 'a norm';
  return untold(settings.file, [
    `has ${what} before its blocks (${norm.from}: ${quote(stated)})`,
    'that is no polynomial, though its tensors do not show it',
  ]);
}
