import type { Pacer } from '../../cooperate.js';
import { TILE } from './kernel.js';
import { giveBack, takeWorkspace } from './workspace.js';

/** Packed panels somewhere in memory. */
export interface Panels {
  readonly data: Float64Array;
  /** Where the part of the first begins that is multiplied. */
  readonly at: number;
  readonly count: number;
  /** From panel to panel; as long as a panel is, where the whole of it is multiplied. */
  readonly size: number;
}

/** Numbers of the part of the right side that lies in the workspace at a time: 256 KiB. */
const PART = 1 << 15;

/**
 * Products of every panel on the left with every one on the right, some tiles of 4 × 4 at a time.
 * @param take gets the tiles of panel `left` with the panels from `right` on, one after the other in `tiles`. For each
 * panel on the right those on the left come in their order.
 */
export async function multiplyPanels(
  depth: number,
  left: Panels,
  right: Panels,
  pacer: Pacer,
  take: (tiles: Float64Array, left: number, right: number) => void,
): Promise<void> {
  const size = TILE * depth;
  const together = Math.min(right.count, Math.max(1, Math.floor(PART / (size + 1))));
  const part = size;
  const end = part + together * size;
  const workspace = takeWorkspace(end + together * TILE * TILE);
  const { data } = workspace;
  try {
    for (let other = 0; other < right.count; other += together) {
      const panels = Math.min(together, right.count - other);
      copyPanels(right, other, panels, size, data, part);
      const tiles = data.subarray(end, end + panels * TILE * TILE);
      for (let panel = 0; panel < left.count; panel++) {
        copyPanels(left, panel, 1, size, data, 0);
        tiles.fill(0);
        workspace.products(depth, 0, part, panels, end, TILE, TILE * TILE);
        take(tiles, panel, other);
        if (pacer.due(TILE * TILE * depth * panels)) await pacer.pause();
      }
    }
  } finally {
    giveBack(workspace);
  }
}

function copyPanels(
  { data, at, size }: Panels,
  first: number,
  count: number,
  length: number,
  to: Float64Array,
  place: number,
): void {
  const together = size === length ? count : 1;
  for (let n = 0; n < count; n += together) {
    const from = at + (first + n) * size;
    to.set(data.subarray(from, from + together * length), place + n * length);
  }
}
