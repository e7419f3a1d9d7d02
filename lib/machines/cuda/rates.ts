import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { replaceFile } from '../../formats/replace_file.js';
import type { DType } from '../../tensor/tensor.js';
import { version } from '../../version.js';
import type { CudaDevice } from '../addon.js';
import { type CudaAccess, DEVICE } from './access.js';

/** What a device does, as it was measured once: choices that follow from it are the same in every run. */
export interface CudaRates {
  /** Flops per second on registers alone. */
  readonly peak: Readonly<Record<DType, number>>;
  /** Bytes per second from a caller's array to the device, ready for products. */
  readonly upload: number;
  /** Seconds until the first model is there: trying the library out, and opening it. */
  readonly start: number;
}

/** Elements of the vector that uploads are timed by: 32 MiB. */
const UPLOADED = 2 ** 22;
const UPLOADS = 3;

/**
 * The rates of a device: those that are kept of it, else measured, which takes a second or two, and kept. That they
 * cannot be kept is no error.
 * @param tried seconds that trying the library out has taken
 */
export async function ratesOf(access: CudaAccess, device: CudaDevice, tried: number): Promise<CudaRates> {
  const key = await keyOf(access.library, device);
  const file = ratesFile();
  const known = (await keptRates(file)).get(key);
  if (known !== undefined) return known;
  const rates = await measure(access, tried);
  await keep(file, key, rates).catch(() => {});
  return rates;
}

/** The rates that are kept of a device; undefined where it has not been measured. */
export async function knownRates(library: string, device: CudaDevice): Promise<CudaRates | undefined> {
  return (await keptRates(ratesFile())).get(await keyOf(library, device));
}

async function measure({ addon, library, run, peak }: CudaAccess, tried: number): Promise<CudaRates> {
  const begun = performance.now();
  const source = (length: number) => ({ kind: 'features', segments: [new Float64Array(length)] }) as const;
  const prepare = async (length: number) => {
    const start = performance.now();
    const [{ model }] = await run({}, (threads, control) =>
      addon.cudaPrepare(library, [DEVICE], source(length), 'float64', threads, control),
    );
    const seconds = (performance.now() - start) / 1e3;
    addon.cudaDispose(model);
    return seconds;
  };
  await prepare(4);
  const start = tried + (performance.now() - begun) / 1e3;
  let seconds = Number.POSITIVE_INFINITY;
  for (let i = 0; i < UPLOADS; i++) seconds = Math.min(seconds, await prepare(UPLOADED));
  const upload = (UPLOADED * Float64Array.BYTES_PER_ELEMENT) / seconds;
  return { peak: { float64: await peak('float64'), float32: await peak('float32') }, upload, start };
}

/** What rates depend on: another driver or another library is measured anew. */
async function keyOf(library: string, { name, capability, driver, runtime }: CudaDevice): Promise<string> {
  const digest = createHash('sha256')
    .update(await readFile(library))
    .digest('hex');
  return JSON.stringify({ version, name, capability, driver, runtime, library: digest });
}

/** In the user's cache, where everything may be deleted at any time. */
function ratesFile(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'tensim', 'cuda.json');
}

/** What a file says that can be used: a file of nonsense is none. */
async function keptRates(file: string): Promise<Map<string, CudaRates>> {
  try {
    const found: unknown = JSON.parse(await readFile(file, 'utf8'));
    return new Map(Object.entries(found as object).filter((entry): entry is [string, CudaRates] => isRates(entry[1])));
  } catch {
    return new Map();
  }
}

function isRates(value: Partial<CudaRates> | null): boolean {
  const numbers = [value?.peak?.float64, value?.peak?.float32, value?.upload, value?.start];
  return numbers.every((number) => typeof number === 'number' && number > 0 && Number.isFinite(number));
}

async function keep(file: string, key: string, rates: CudaRates): Promise<void> {
  const all = (await keptRates(file)).set(key, rates);
  await mkdir(dirname(file), { recursive: true });
  await replaceFile(file, async (handle) => {
    await handle.writeFile(`${JSON.stringify(Object.fromEntries(all), null, 2)}\n`);
  });
}
