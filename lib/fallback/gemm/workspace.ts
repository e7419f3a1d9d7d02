import { panelProducts } from './kernel.js';
import assembled from './products.wat';

/** Memory for packed panels and tiles, and the kernel that multiplies what lies in it. */
export interface Workspace {
  /** At least as long as was asked for; of any content. */
  readonly data: Float64Array;
  /**
   * `panelProducts` within `data`. Numbers one by one, not an object of them: so many would fill the young generation,
   * and tens of megabytes with it.
   */
  products(depth: number, a: number, b: number, panels: number, c: number, stride: number, step: number): void;
}

/** Set to 0, it keeps the kernel in TypeScript. */
const VARIABLE = 'TENSIM_WASM';
const PAGE = 1 << 16;
/**
 * Numbers of the smallest workspace, which serves nearly everyone: pages that are never touched take no memory, but what
 * is thrown away stays until V8 collects it, and V8 sees little of it.
 */
const LEAST_LENGTH = 1 << 18;
/** Numbers of a workspace that is worth keeping: 16 MiB. */
const KEPT_LENGTH = 1 << 21;
/** Computations that run side by side have a workspace each; as many as this are kept for the next. */
const KEPT = 4;

const idle: Workspace[] = [];

/** Whether kernels are those in WebAssembly: this version of V8 runs them, and nobody has said otherwise. */
export const hasAssembledKernels = (): boolean => process.env[VARIABLE] !== '0' && moduleOfKernels() !== undefined;

/**
 * A workspace for so many numbers, which is the caller's until it is given back.
 *
 *     const workspace = takeWorkspace(length);
 *     try { … } finally { giveBack(workspace); }
 */
export function takeWorkspace(length: number): Workspace {
  if (!hasAssembledKernels()) return inTypeScript(length);
  const at = idle.findIndex(({ data }) => data.length >= length);
  if (at >= 0) return idle.splice(at, 1)[0];
  return assembledWorkspace(Math.max(length, LEAST_LENGTH)) ?? inTypeScript(length);
}

export function giveBack(workspace: Workspace): void {
  if (!(workspace instanceof AssembledWorkspace) || workspace.data.length > KEPT_LENGTH) return;
  idle.push(workspace);
  if (idle.length > KEPT) idle.shift();
}

function inTypeScript(length: number): Workspace {
  const data = new Float64Array(length);
  return {
    data,
    products(depth, a, b, panels, c, stride, step) {
      panelProducts(data, depth, a, b, panels, c, stride, step);
    },
  };
}

class AssembledWorkspace implements Workspace {
  readonly data: Float64Array;
  readonly #products: Workspace['products'];

  constructor(module: object, length: number) {
    // Of its size for good: memory that grows would leave arrays without any.
    const memory = new WebAssembly.Memory({ initial: Math.max(1, Math.ceil((8 * length) / PAGE)) });
    this.#products = new WebAssembly.Instance(module, { workspace: { memory } }).exports
      .products as Workspace['products'];
    this.data = new Float64Array(memory.buffer);
  }

  products(depth: number, a: number, b: number, panels: number, c: number, stride: number, step: number): void {
    this.#products(depth, 8 * a, 8 * b, panels, 8 * c, 8 * stride, 8 * step);
  }
}

/** Undefined where there is no room for it: memory of WebAssembly takes gigabytes of addresses, which may be limited. */
function assembledWorkspace(length: number): Workspace | undefined {
  try {
    return new AssembledWorkspace(moduleOfKernels()!, length);
  } catch {
    return undefined;
  }
}

let compiled: object | null | undefined;

function moduleOfKernels(): object | undefined {
  if (compiled === undefined) {
    const bytes = Buffer.from(assembled, 'base64');
    // A V8 without registers of two numbers, or without WebAssembly at all (`node --jitless`).
    compiled = typeof WebAssembly === 'object' && WebAssembly.validate(bytes) ? new WebAssembly.Module(bytes) : null;
  }
  return compiled ?? undefined;
}
