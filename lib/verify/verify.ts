import { withLaws } from '../blocks/law/laws.js';
import { type BlockFile, withBlocks } from '../blocks/open.js';
import { inFileOrder } from '../blocks/walk.js';
import { Pacer } from '../cooperate.js';
import { TensimError } from '../errors.js';
import { piecesIn } from '../model/transformers/network.js';
import { underContract } from '../plain_data.js';
import { valueText } from '../words/quoting.js';
import { verifyByNames } from './by_name.js';
import { diagnoseRest } from './diagnose.js';
import { type Findings, isOpen } from './findings.js';
import { functionCheck } from './functions.js';
import { verifyEnds, verifyLayer } from './layer.js';
import { verifyLeftovers } from './leftovers.js';
import { lookUp } from './lookup.js';
import type { VerifyOptions } from './options.js';
import { checkRotation } from './rotation.js';
import { settingFaults } from './settings.js';
import type { VerifyResult } from './terms.js';
import { verdictOf } from './verdict.js';

/**
 * Whether a network is what another was to become: the same bytes, the same function in another layout, the same but for
 * rounding, or quantised as well as its format allows; and if it is none of these, what is wrong, and where it begins.
 * Weights alone are looked at. Transformers of a known layout are compared part by part, whatever their tensors are
 * called; other networks by the names of their tensors.
 *
 *     const { verdict, faults } = await verify('model/', 'model.gguf');
 *
 * @param reference path, folder or `hf://` address of what it was made of; its config.json is read beside it
 * @throws TensimError (rejects) as `loadModel` and `similarityOfBlocks`; `INVALID_ARGUMENT` for a tolerance below 1; the
 * signal's reason if it is aborted
 */
export async function verify(reference: string, candidate: string, options: VerifyOptions = {}): Promise<VerifyResult> {
  const { tolerance } = options;
  if (tolerance !== undefined && !(tolerance >= 1 && Number.isFinite(tolerance)))
    throw new TensimError('INVALID_ARGUMENT', `tolerance must be a number from 1, not ${valueText(tolerance)}`);
  return underContract('verify', await compared(reference, candidate, options));
}

async function compared(reference: string, candidate: string, options: VerifyOptions): Promise<VerifyResult> {
  let isOpened = false;
  try {
    return await withBlocks(reference, options, (f) =>
      withBlocks(candidate, options, (g) => {
        isOpened = true;
        return verifyBlocks(f, g, options);
      }),
    );
  } catch (error) {
    // What is no transformer of a known layout, or only a part of one.
    const isOther =
      error instanceof TensimError && ['UNSUPPORTED_LAYER', 'INVALID_FILE', 'SHAPE_MISMATCH'].includes(error.code);
    if (isOpened || !isOther) throw error;
    return verifyByNames(reference, candidate, options, error);
  }
}

async function verifyBlocks(f: BlockFile, g: BlockFile, options: VerifyOptions): Promise<VerifyResult> {
  const { signal } = options;
  const [one, other] = [f.network, g.network];
  const isOneShape = one.width === other.width && one.layers.length === other.layers.length;
  const found: Findings[] = [];
  const leftovers = await verifyLeftovers(f, g, options);
  await withLaws('standard', one.width, signal, async (laws) => {
    const check = isOneShape ? await functionCheck(f, g, laws, options) : undefined;
    const total = one.layers.length + 1;
    for (const step of inFileOrder(f)) {
      if (typeof step !== 'number' || other.layers[step] === undefined) continue;
      options.onProgress?.({ done: found.length, total });
      signal?.throwIfAborted();
      const [layer, answer] = [one.layers[step], other.layers[step]];
      await f.keep([...piecesIn(layer)].map(([, piece]) => piece));
      await g.keep([...piecesIn(answer)].map(([, piece]) => piece));
      found.push(await verifyLayer(f, layer, g, answer, check, options));
      f.letGo();
      g.letGo();
    }
    found.sort((a, b) => a.layer! - b.layer!);
    const ends = await verifyEnds(f, g, options);
    found.unshift(ends.before);
    found.push(ends.behind, leftovers.findings);
    options.onProgress?.({ done: total, total });
  });
  const rotation = isOneShape ? await checkRotation(f, g, found, options) : undefined;
  await lookUp(found, new Pacer(signal));
  for (const { all } of found) if (all.some(isOpen)) await diagnoseRest(all, signal);
  const digests = [await f.checkpoint.sha256(signal), await g.checkpoint.sha256(signal)] as const;
  return verdictOf({ f, g, digests, found, settings: settingFaults(f, g), rotation, leftovers });
}
