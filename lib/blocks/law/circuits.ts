import type { RowProducts } from '../circuits/heads.js';
import type { Circuits } from '../parts/circuits.js';
import type { Affine } from '../parts/reader.js';
import { type BlockLaw, behind } from './laws.js';

/**
 * Circuits as maps of z ~ N(0, I), where their input is mean + C z: W C and b + W mean. What they write stays as it is.
 * On the sphere they are what they are under N(0, I): only the covariance of the input enters.
 * @param centres the norm before them is a layer norm
 */
export async function circuitsUnder(
  circuits: Circuits,
  law: BlockLaw,
  centres: boolean,
  multiply: RowProducts,
): Promise<Circuits> {
  if (law.kind !== 'moments') return circuits;
  const { mean, factor } = await behind(law, centres);
  const under = async ({ weight, bias }: Affine): Promise<Affine> => {
    const shift = await multiply(weight, mean, mean.length);
    return {
      weight: await multiply(weight, factor, mean.length),
      bias: bias === null ? shift : shift.map((value, i) => value + bias[i]),
    };
  };
  const { query, key, value } = circuits;
  return {
    ...circuits,
    query: async (heads) => under(await query(heads)),
    key: async (groups) => under(await key(groups)),
    value: async (groups) => under(await value(groups)),
  };
}
