import type { BackendWith } from '../../backend/backend.js';
import type { Control } from '../../backend/control.js';

/** T Tᵀ of T, (size, any), row-major: as the outputs of a linear layer on its own rows. */
export async function innerProducts(
  rows: Float64Array,
  size: number,
  backend: BackendWith<'forward'>,
  control: Control,
): Promise<Float64Array> {
  const count = rows.length / size;
  const layer = { type: 'linear', weight: { data: rows, shape: [size, count] } } as const;
  const source = { layers: [layer], positions: 1, features: count, input: 'vectors' } as const;
  const pass = await backend.forward.prepare(source, 'float64', control);
  try {
    return (await pass.evaluate(rows, control)) as Float64Array;
  } finally {
    pass.dispose();
  }
}
