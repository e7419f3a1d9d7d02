import { isHubAddress } from './address.js';
import { refuseWebAddress } from './web_address.js';

/** Where a file lies on this machine: where its path says, or, for an address on the Hugging Face Hub, in the cache. */
export async function localFile(path: string, signal?: AbortSignal): Promise<string> {
  if (isHubAddress(path)) return (await (await import('./repository.js')).fetchFromHub(path, signal)).path;
  await refuseWebAddress(path);
  return path;
}
