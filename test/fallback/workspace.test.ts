import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Pacer } from '../../lib/cooperate.js';
import { multiply } from '../../lib/fallback/gemm/gemm.js';
import { multiplyPanels } from '../../lib/fallback/gemm/tiles.js';
import { giveBack, hasAssembledKernels, takeWorkspace, type Workspace } from '../../lib/fallback/gemm/workspace.js';
import { rowMajor } from '../../lib/tensor/matrix.js';
import { random } from '../support/random.js';

const TILE = 4;
const seed = fc.integer({ min: 1, max: 2 ** 31 });

beforeEach(() => vi.stubEnv('TENSIM_WASM', undefined));
afterEach(() => vi.unstubAllEnvs());

/** What a kernel makes of a workspace full of numbers. */
function worked(
  kernels: 'assembled' | 'typescript',
  start: number,
  task: Parameters<Workspace['products']>,
  length: number,
): Float64Array {
  vi.stubEnv('TENSIM_WASM', kernels === 'typescript' ? '0' : undefined);
  const workspace = takeWorkspace(length);
  const draw = random(start);
  // Of all magnitudes: sums round at every step, so another order shows.
  for (let i = 0; i < length; i++) workspace.data[i] = draw.normal() * 2 ** draw.integer(-8, 8);
  workspace.products(...task);
  const data = workspace.data.slice(0, length);
  giveBack(workspace);
  return data;
}

describe('the kernel in WebAssembly', () => {
  it('is there on every V8 that this package runs on', () => {
    expect(hasAssembledKernels()).toBe(true);
    vi.stubEnv('TENSIM_WASM', '0');
    expect(hasAssembledKernels()).toBe(false);
  });

  it('gives the bits of the one in TypeScript, and touches nothing else', () => {
    const count = fc.integer({ min: 0, max: 9 });
    fc.assert(
      fc.property(seed, fc.integer({ min: 0, max: 40 }), count, fc.boolean(), (start, depth, panels, apart) => {
        const a = 3;
        const b = a + TILE * depth + 5;
        const c = b + panels * TILE * depth + 1;
        const [stride, step] = apart ? [TILE, TILE * TILE] : [TILE * panels, TILE];
        const length = c + TILE * TILE * panels + 7;
        const task = [depth, a, b, panels, c, stride, step] as const;
        expect(worked('assembled', start, [...task], length)).toEqual(worked('typescript', start, [...task], length));
      }),
    );
  });

  it('multiplies', () => {
    const workspace = takeWorkspace(64);
    const { data } = workspace;
    data.fill(0);
    // Two columns of A, (1 2 3 4) and (0 0 0 1), and two rows of B, (1 10 100 1000) and (5 0 0 0).
    data.set([1, 2, 3, 4, 0, 0, 0, 1]);
    data.set([1, 10, 100, 1000, 5, 0, 0, 0], 8);
    data[16] = 7;
    workspace.products(2, 0, 8, 1, 16, 4, 16);
    expect([...data.subarray(16, 32)]).toEqual([
      8, 10, 100, 1000, 2, 20, 200, 2000, 3, 30, 300, 3000, 9, 40, 400, 4000,
    ]);
    giveBack(workspace);
  });

  it('is done without where memory of WebAssembly is not to be had, and where there is no WebAssembly', async () => {
    const matrix = rowMajor(
      Float64Array.from({ length: 35 }, (_, i) => i / 7),
      5,
      7,
    );
    const other = rowMajor(
      Float64Array.from({ length: 21 }, (_, i) => i / 3),
      7,
      3,
    );
    const expected = await multiply(matrix, other, new Pacer());
    const none = vi.spyOn(WebAssembly, 'Memory').mockImplementation(function refuse() {
      throw new RangeError('could not allocate memory');
    });
    // Those that lie idle are used up first.
    const held = Array.from({ length: 8 }, () => takeWorkspace(64));
    expect(await multiply(matrix, other, new Pacer())).toEqual(expected);
    expect(none).toHaveBeenCalled();
    held.forEach(giveBack);
    vi.restoreAllMocks();

    vi.stubGlobal('WebAssembly', undefined);
    vi.resetModules();
    const { hasAssembledKernels: hasThem } = await import('../../lib/fallback/gemm/workspace.js');
    const { multiply: multiplyWithout } = await import('../../lib/fallback/gemm/gemm.js');
    expect(hasThem()).toBe(false);
    expect(await multiplyWithout(matrix, other, new Pacer())).toEqual(expected);
    vi.unstubAllGlobals();
  });
});

describe('a workspace', () => {
  it('belongs to one computation at a time, and is used again', () => {
    const [one, other] = [takeWorkspace(100), takeWorkspace(100)];
    expect(one.data.buffer).not.toBe(other.data.buffer);
    giveBack(one);
    const again = takeWorkspace(50);
    expect(again).toBe(one);
    giveBack(again);
    giveBack(other);
  });

  it('serves products that run side by side', async () => {
    const draw = random(5);
    const matrix = (rows: number, columns: number) =>
      rowMajor(
        Float64Array.from({ length: rows * columns }, () => draw.normal()),
        rows,
        columns,
      );
    const pairs = Array.from({ length: 6 }, () => [matrix(70, 300), matrix(300, 90)] as const);
    const together = await Promise.all(pairs.map(([a, b]) => multiply(a, b, new Pacer())));
    for (const [i, [a, b]] of pairs.entries()) expect(together[i]).toEqual(await multiply(a, b, new Pacer()));
  });
});

describe('multiplyPanels', () => {
  it('gives every tile once, of parts of panels too', async () => {
    // Deep enough that one panel fills the part of the workspace by itself, and shallow.
    for (const [depth, whole, left, right] of [
      [3, 5, 3, 7],
      [9000, 9001, 2, 3],
      [0, 2, 2, 2],
    ]) {
      const size = TILE * whole;
      const draw = random(depth + 1);
      const numbers = (count: number) => Float64Array.from({ length: count * size }, () => draw.integer(-9, 9));
      const [a, b] = [numbers(left), numbers(right)];
      const seen = new Map<string, number[]>();
      await multiplyPanels(
        depth,
        { data: a, at: TILE, count: left, size },
        { data: b, at: TILE, count: right, size },
        new Pacer(),
        (tiles, panel, first) => {
          for (let tile = 0; tile < tiles.length; tile += TILE * TILE) {
            const key = `${panel} ${first + tile / TILE ** 2}`;
            expect(seen.has(key)).toBe(false);
            seen.set(key, [...tiles.subarray(tile, tile + TILE * TILE)]);
          }
        },
      );
      expect(seen.size).toBe(left * right);
      for (let i = 0; i < left; i++)
        for (let j = 0; j < right; j++) {
          const expected = Array.from({ length: TILE * TILE }, (_, k) => {
            let sum = 0;
            for (let p = 1; p <= depth; p++)
              sum += a[i * size + TILE * p + (k >> 2)] * b[j * size + TILE * p + (k & 3)];
            return sum;
          });
          expect(seen.get(`${i} ${j}`)).toEqual(expected);
        }
    }
  });
});
