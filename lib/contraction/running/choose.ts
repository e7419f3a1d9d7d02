import type { BackendWith } from '../../backend/backend.js';
import type { Control } from '../../backend/control.js';
import type { Work } from '../../backend/work.js';
import { unhurried } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { dependsOnWork, type PassedOver, takeBackend } from '../../machines/select.js';
import { sizeOf } from '../../tensor/tensor.js';
import type { EquationInput } from '../parse.js';
import { type Compiled, compileSteps } from './compile.js';
import type { CompileOptions } from './options.js';
import { printable } from './path_info.js';

/**
 * What `compileSteps` comes to, on the backend that is expected to be done sooner: a contraction is planned for the
 * processor first, which tells the work, and anew for a device that is to do it.
 * @throws TensimError (rejects) as `compileSteps`; the signal's reason
 */
export async function compileWeighed(
  input: EquationInput,
  shapes: readonly (readonly number[])[],
  { signal, ...options }: CompileOptions & Pick<Control, 'signal'>,
): Promise<Compiled> {
  const first = await unhurried(compileSteps(input, shapes, options), signal);
  const { dtype } = first;
  if (!dependsOnWork(options.backend)) return first;
  const work = () => workOf(first, options.threads);
  const taken = await takeBackend(options.backend, { contractions: { dtype, tf32: options.tf32 } }, signal, work);
  const { backend } = taken as { readonly backend: BackendWith<'contractions'> };
  if (backend.name === first.backend.name) return withPassedOver(first, taken.passedOver);
  try {
    const own = await unhurried(compileSteps(input, shapes, { ...options, backend: backend.name }), signal);
    return withPassedOver(own, taken.passedOver);
  } catch (error) {
    // Its working memory is another one: a limit may be kept by one of the two alone.
    if (!(error instanceof TensimError && error.code === 'MEMORY_LIMIT')) throw error;
    return withPassedOver(first, [{ name: backend.name, reason: error.message }]);
  }
}

/** Flops and what is read and written, of which products have what passes the caches; operands and the result go over once. */
function workOf({ plan, whole, dtype, path }: Compiled, threads: number | undefined): Work {
  const size = dtype === 'float64' ? 8 : 4;
  const operands = whole.shapes.reduce((sum, shape) => sum + size * sizeOf(shape), 0);
  const bytes = operands + size * sizeOf(plan.output.shape);
  const once = path.steps.filter(({ constant }) => constant).reduce((sum, { flops }) => sum + flops, 0);
  const flops = plan.flops + once;
  return {
    kind: 'contraction',
    dtype,
    threads,
    flops,
    hostFlops: 0,
    moved: plan.bytes,
    bytes,
    held: operands + plan.peakBytes,
  };
}

function withPassedOver(compiled: Compiled, passedOver: readonly PassedOver[]): Compiled {
  return passedOver.length === 0 ? compiled : { ...compiled, path: printable({ ...compiled.path, passedOver }) };
}
