import { TensimError } from '../../errors.js';
import { quoted } from '../../words/names.js';
import type { Tensors } from '../blueprint.js';
import { type DescribedBlocks, NAMING } from './described.js';
import { networkOf } from './layouts/build.js';
import type { BlockNetwork } from './network.js';
import type { BlockSettings } from './settings.js';

/**
 * The blocks of a network that is described.
 * @throws TensimError `INVALID_FILE` for names that the network has not; as `networkOf`
 */
export function describedNetwork(
  { layout, named, settings: { name: file } }: DescribedBlocks,
  tensors: Tensors,
  settings: BlockSettings,
): BlockNetwork {
  const within = new Set([...tensors.keys()].flatMap((name) => layout.layer.exec(name)?.[2] ?? []));
  if (within.size === 0)
    throw new TensimError('INVALID_FILE', 'says what names in a layer begin with, and no tensor has such a name', {
      file,
      hint: `The checkpoint has ${quoted([...tensors.keys()])}`,
    });
  const missing = named.filter(({ name, outside }) => {
    const own = name.replace('{E}', '0');
    return ![...NAMING.weight(own), `${own}_blocks`].some((one) => (outside ? tensors.has(one) : within.has(one)));
  });
  if (missing.length > 0) {
    const [{ field, outside }] = missing;
    throw new TensimError(
      'INVALID_FILE',
      `names ${quoted(missing.map(({ name }) => name))} ("${field}"), which ${outside ? 'the checkpoint has not' : 'no layer has'}`,
      { file, hint: `There are ${quoted([...(outside ? tensors.keys() : within)])}` },
    );
  }
  return networkOf(layout, tensors, settings);
}
