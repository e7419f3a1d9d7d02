import type { Attention } from '../../model/transformers/network.js';

/** Of the products of all heads of each two networks, and of each with itself. */
export function headFlops(attention: readonly Pick<Attention, 'heads' | 'groups' | 'width'>[], d: number): number {
  const [{ heads, groups, width }] = attention;
  const count = attention.length;
  const [queries, keys] = [(heads * width) ** 2, (groups * width) ** 2];
  const pair = 2 * d * (2 * queries + 2 * keys);
  const own = 2 * d * (2 * width * heads * width + keys);
  return ((count * (count - 1)) / 2) * pair + count * own;
}
