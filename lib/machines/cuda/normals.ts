import type { Normals } from '../../backend/normals.js';
import { streamKey } from '../../gaussian/threefry.js';
import { type CudaAccess, DEVICE } from './access.js';

export function normalsOf({ addon, library, usable, run }: CudaAccess): Normals {
  return {
    async draw({ seed, stream, dimension }, first, count, control = {}) {
      await usable(control, { normals: {} });
      const [key0, key1] = streamKey(seed, stream);
      return run(control, (threads, nativeControl) =>
        addon.cudaNormals(library, DEVICE, key0, key1, dimension, first, count, threads, nativeControl),
      );
    },
  };
}
