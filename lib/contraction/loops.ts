import type { Loop } from './plan.js';

/**
 * Loops in the order they are best walked, and as few as possible. Kept loops are ordered by falling stride in the
 * output, summed ones by falling stride in a (ties by the other views); neighbours that are contiguous in every view
 * become one:
 *
 *     i: size 4, strides (12, 0, 12)     j: size 3, strides (4, 0, 4)     →     one loop of 12, strides (4, 0, 4)
 *
 * A loop that a slice may shorten is left alone.
 */
export function fuseLoops(loops: readonly Loop[]): Loop[] {
  const far = (loop: Loop) => [Math.abs(loop.strideOut), Math.abs(loop.strideA), Math.abs(loop.strideB)] as const;
  const ordered = [...loops].sort((x, y) => {
    const [xo, xa, xb] = far(x);
    const [yo, ya, yb] = far(y);
    return yo - xo || ya - xa || yb - xb;
  });
  const fused: Loop[] = [];
  for (const loop of ordered) {
    const outer = fused.at(-1);
    if (outer !== undefined && contiguous(outer, loop))
      fused[fused.length - 1] = { ...loop, size: outer.size * loop.size };
    else fused.push(loop);
  }
  return fused;
}

function contiguous(outer: Loop, inner: Loop): boolean {
  return (
    outer.slice < 0 &&
    inner.slice < 0 &&
    outer.strideA === inner.strideA * inner.size &&
    outer.strideB === inner.strideB * inner.size &&
    outer.strideOut === inner.strideOut * inner.size
  );
}
