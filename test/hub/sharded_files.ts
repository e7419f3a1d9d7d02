import { bilinearShapes, tensorsOf, type writeCheckpoint } from '../model/helpers.js';

/**
 * A checkpoint in two shards with its index, in the folder `sharded`, as a server has it.
 * @param bytes what a checkpoint of these tensors has, written under a name.
 */
export async function shardedFiles(
  bytes: (name: string, shapes: Parameters<typeof writeCheckpoint>[2]) => Promise<Buffer>,
): Promise<Record<string, Buffer>> {
  const [[first, weight], [second, projection]] = [...tensorsOf(bilinearShapes(20, 20, 20))];
  return {
    'sharded/model.safetensors.index.json': Buffer.from(
      JSON.stringify({
        weight_map: { [first]: 'model-00001-of-00002.safetensors', [second]: 'model-00002-of-00002.safetensors' },
      }),
    ),
    'sharded/model-00001-of-00002.safetensors': await bytes('1.safetensors', new Map([[first, weight]])),
    'sharded/model-00002-of-00002.safetensors': await bytes('2.safetensors', new Map([[second, projection]])),
  };
}
