import { type End, type FoundBasis, findBasis } from '../blocks/align/basis.js';
import { withLaws } from '../blocks/law/laws.js';
import type { BlockFile } from '../blocks/open.js';
import { productsBy } from '../blocks/products.js';
import { settleBlocks } from '../blocks/settings.js';
import { Pacer } from '../cooperate.js';
import { piecesIn } from '../model/transformers/network.js';
import { amountText } from '../words/numbers.js';
import { type Finding, type Findings, isUnexplained } from './findings.js';
import { functionCheck } from './functions.js';
import { checkFunctions } from './layer.js';
import type { VerifyOptions } from './options.js';
import { precisionOf } from './slots.js';
import type { LayoutChange } from './terms.js';
import { settleTurned, type Turn } from './turned.js';

/** How much of an embedding may be left behind the rotation, in units of rounding. */
const ROUNDED = 2;

/**
 * Finds out whether what differs does so because the residual stream was rotated. Findings that this explains are
 * changed; what it does not explain is wrong beside it.
 * @returns the rotation with what shows that it is one; undefined where it is none, or explains less than half
 */
export async function checkRotation(
  f: BlockFile,
  g: BlockFile,
  found: readonly Findings[],
  options: VerifyOptions,
): Promise<LayoutChange | undefined> {
  const ends = found.flatMap(({ layer, all }) => (layer === null ? all : []));
  const embedding = ends.find(({ compared: { slot } }) => slot.role === 'embedding');
  const { slot, reference, candidate } = embedding?.compared ?? {};
  // Lengths of its rows stay as they are, and nothing else of it.
  if (embedding?.state !== 'different' || slot?.reference === undefined || slot.candidate === undefined)
    return undefined;
  const rounding = ROUNDED * Math.max(precisionOf(slot.reference), precisionOf(slot.candidate));
  if (reference === undefined || candidate === undefined || !reference.isFinite || !candidate.isFinite)
    return undefined;
  if (Math.abs(candidate.squares / reference.squares - 1) > 2 * rounding) return undefined;
  const turned = await basisOf(f, g, rounding, options);
  if (turned === undefined) return undefined;
  const { basis, about } = turned;
  const before = found.flatMap(({ all }) => all.map((finding) => [finding, { ...finding }] as const));
  const turn: Turn = {
    ...{ basis, width: f.network.width, centres: about.keepsMean, tolerance: rounding },
    ...{ products: productsBy(options), pacer: new Pacer(options.signal) },
  };
  await settleTurned(ends, turn);
  await withLaws('standard', f.network.width, options.signal, async (laws) => {
    const check = await functionCheck(f, g, laws, options, basis);
    for (const [at, layer] of f.network.layers.entries()) {
      const answer = g.network.layers[at];
      const own = found.find((findings) => findings.layer === layer.number)!.all;
      for (const [file, one] of [
        [f, layer],
        [g, answer],
      ] as const)
        await file.keep([...piecesIn(one)].map(([, piece]) => piece));
      await settleTurned(own, turn);
      await checkFunctions(layer, answer, own, check, (findings) => findings.some(isUnexplained));
      f.letGo();
      g.letGo();
    }
  });
  const matrices = found.flatMap(({ layer, all }) => (layer === null ? [] : all.filter(isMatrix)));
  if (2 * matrices.filter(isUnexplained).length > matrices.length) {
    for (const [finding, copy] of before) Object.assign(finding, copy);
    return undefined;
  }
  const { residual, orthogonality } = about;
  return {
    kind: 'rotated-stream',
    text: `the residual stream in another basis (embeddings fit to ${amountText(residual, 2)})`,
    certificate: { orthogonality, residual },
  };
}

/** The basis that takes both ends of the network into those of the other; or one of them, where the other is wrong. */
async function basisOf(
  f: BlockFile,
  g: BlockFile,
  rounding: number,
  options: VerifyOptions,
): Promise<(FoundBasis & { readonly basis: Float64Array }) | undefined> {
  const ends = (['embedding', 'unembedding'] as const).filter((end) => f.network[end] && g.network[end]);
  const tried: readonly (readonly End[])[] = ends.length === 2 ? [ends, ...ends.map((end) => [end])] : [ends];
  for (const some of tried) {
    if (some.length === 0) continue;
    const { basis, ...found } = await findBasis(f, g, settleBlocks(options), some);
    if (basis !== null && found.about.residual <= rounding) return { basis, ...found };
  }
  return undefined;
}

const isMatrix = ({ compared: { slot } }: Finding): boolean =>
  [slot.reference, slot.candidate].some((one) => one !== undefined && one.columns > 1);
