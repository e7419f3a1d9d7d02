import { stat } from 'node:fs/promises';

/** Whether anything is there under a path, as far as this process may see. */
export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
