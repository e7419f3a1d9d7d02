import { KeptWeights } from '../blocks/kept_weights.js';
import { Pacer } from '../cooperate.js';
import type { StampedCheckpoint } from '../formats/checkpoint.js';
import type { Tensors } from '../model/blueprint.js';
import { sorted, withoutIgnored } from '../model/reading/contents.js';
import { withCheckpoint } from '../model/reading/model_file.js';
import { namings } from '../model/reading/naming.js';
import type { Piece } from '../model/transformers/network.js';
import { chainChange } from './chains.js';
import { diagnoseLayer, diagnoseRest } from './diagnose.js';
import type { Finding, Findings } from './findings.js';
import { findAll, settle } from './layer.js';
import { lookUp } from './lookup.js';
import type { VerifyOptions } from './options.js';
import { pair, type Sources, sourceOf, type WeightFile } from './slots.js';
import type { Compared } from './tally.js';
import type { LayoutChange, VerifyResult } from './terms.js';
import { resultOf, sideOf, tensorFaults } from './verdict.js';

/**
 * Compares networks that are no transformers of a known layout by the names of their tensors; and as chains of layers,
 * where names or numbers are others.
 * @param unknown what is to be thrown where the two have no names in common and are no chains of layers
 */
export function verifyByNames(
  reference: string,
  candidate: string,
  options: VerifyOptions,
  unknown: unknown,
): Promise<VerifyResult> {
  return withCheckpoint(reference, options, (f) =>
    withCheckpoint(candidate, options, (g) => compare([reference, f], [candidate, g], options, unknown)),
  );
}

/** Why outputs on random inputs are no proof. */
const RARE = 'which may tell of inputs that are too rare to be drawn';

/** ‖b − a‖² / ‖a‖² of what differs in two networks; undefined where nothing can be put beside each other. */
function changedIn(all: readonly Finding[]): number | undefined {
  const both = all.filter(({ state, compared }) => state === 'different' && compared.both !== undefined);
  const sum = (of: (one: Compared) => number) => both.reduce((total, { compared }) => total + of(compared), 0);
  return both.length === 0 ? undefined : sum((one) => one.both!.difference) / sum((one) => one.reference!.squares);
}

type Opened = readonly [path: string, checkpoint: StampedCheckpoint];

async function compare(f: Opened, g: Opened, options: VerifyOptions, unknown: unknown): Promise<VerifyResult> {
  const { signal, ignore } = options;
  for (const [, { spoilt }] of [f, g]) if (spoilt !== undefined) throw spoilt;
  const contents = async ([, checkpoint]: Opened) =>
    (await sorted(withoutIgnored(checkpoint, ignore), checkpoint, signal)).tensors;
  const [a, b] = commonNames(await contents(f), await contents(g));
  const shared = [...a.keys()].filter((name) => b.has(name)).length;
  const [one, other] = [sourcesOf(f, a, options), sourcesOf(g, b, options)];
  const all = shared === 0 ? [] : await findAll(pair(one, other, null), options);
  const isOpen = shared === 0 || all.some(({ state }) => state === 'different');
  const chain = isOpen ? await chainChange(f[0], g[0], changedIn(all), options) : undefined;
  if (shared === 0 && chain === undefined) throw unknown;
  const found: Findings = { layer: null, all, changes: [] };
  if (chain !== undefined) for (const finding of all) settle(finding);
  else {
    await diagnoseLayer(null, all, signal);
    await lookUp([found], new Pacer(signal));
    await diagnoseRest(all, signal);
  }
  const layouts: LayoutChange[] = chain === undefined ? [] : [chain.change];
  if (f[1].format !== g[1].format) layouts.push({ kind: 'container', text: `${g[1].format} for ${f[1].format}` });
  const side = async ([path, checkpoint]: Opened) =>
    sideOf({ path, checkpoint }, null, await checkpoint.sha256(signal));
  return resultOf({
    sides: [await side(f), await side(g)],
    found: [found],
    faults: tensorFaults([found]),
    layouts,
    notes: [
      ...(chain?.isProven === false ? [`not compared: weights, ${RARE}`] : []),
      'compared by the names of its tensors, and not as a network of a known layout',
    ],
    hasUncompared: chain?.isProven === false,
  });
}

/** The names of both without what wrapped their networks, in the way in which most of them are the same. */
function commonNames(one: Tensors, other: Tensors): readonly [Tensors, Tensors] {
  let best = { count: -1, pair: [one, other] as readonly [Tensors, Tensors] };
  for (const { tensors: a } of namings(one))
    for (const { tensors: b } of namings(other)) {
      const count = [...a.keys()].filter((name) => b.has(name)).length;
      if (count > best.count) best = { count, pair: [a, b] };
    }
  return best.pair;
}

function sourcesOf([, checkpoint]: Opened, tensors: Tensors, { signal }: VerifyOptions): Sources {
  const pieces = [...tensors.keys()].map((tensor): Piece => ({ tensor }));
  const weights = new KeptWeights(checkpoint, tensors, pieces, signal);
  const file: WeightFile = {
    async read(piece, cut) {
      const data = await weights.read(piece, cut);
      if (cut === undefined || cut.rows === undefined) weights.letGo();
      return data;
    },
    done: (arrays) => weights.done(arrays),
    extent: (piece) => weights.extent(piece),
    entryOf: (piece) => weights.entryOf(piece),
  };
  const scalars = pieces.filter(({ tensor }) => tensors.get(tensor)!.shape.length > 0);
  return new Map(scalars.map((piece) => [piece.tensor, sourceOf(file, piece)]));
}
