import { createHash } from 'node:crypto';
import type { BackendName } from '../../backend/backend.js';
import { isTexts, isWhole } from '../../shards/header.js';
import type { BlockComparison } from '../comparison.js';
import type { MlpMethod } from '../mlps/choose.js';
import { ALIGNMENTS } from '../settings.js';
import type { Alignment, BasisAlignment } from '../terms.js';
import { type BlockOutline, outlineOf, settingOf } from '../walk.js';
import { isEnd, type Unit } from './units.js';

/**
 * What a state file says of the shard in it, so that parts can be put together without a look at the networks. `common` is
 * the same in all parts of a comparison.
 */
export interface BlocksHeader {
  readonly schema: 'tensim.blocks-part/1';
  readonly index: number;
  readonly count: number;
  /** Where the networks are, for the machine that has read them. */
  readonly places: readonly Pick<BlockOutline, 'path' | 'files'>[];
  readonly common: CommonHeader;
}

export interface CommonHeader {
  readonly what: BlockComparison['what'];
  /** What the numbers of layers depend on beside their weights. */
  readonly setting: Readonly<Record<string, unknown>>;
  readonly networks: readonly Omit<BlockOutline, 'path' | 'files'>[];
  /** Of the layers of the first network, by place. */
  readonly numbers: readonly number[];
  /** How the MLPs of every layer are compared. */
  readonly methods: readonly MlpMethod[];
  readonly units: readonly (readonly [unit: Unit, shard: number])[];
  readonly width: number;
  readonly input: string;
  readonly window: number;
  readonly alignment: Alignment;
  readonly backend: BackendName;
  readonly rotation?: { readonly about: BasisAlignment; readonly digest: unknown };
}

/** The key that the header of a shard is kept under. */
export const headerKey = (index: number, count: number): string => `part ${index}/${count}`;
const HEADER_KEY = /^part \d{1,6}\/\d{1,6}$/;

/** The key of what a shard says of a finished unit: of no other comparison, and of none that was dealt otherwise. */
export const unitKey = (digest: string, unit: Unit): string => `part ${digest} ${JSON.stringify(unit)}`;

export async function headerOf(
  comparison: BlockComparison,
  units: CommonHeader['units'],
  { index, count }: { readonly index: number; readonly count: number },
): Promise<BlocksHeader> {
  const { what, files, given, laws, methodOf, rotation, backend } = comparison;
  const { layers, width } = files[0].network;
  const outlines = files.map(outlineOf);
  return {
    ...{ schema: 'tensim.blocks-part/1', index, count },
    places: outlines.map(({ path, files }) => ({ path, ...(files && { files }) })),
    common: {
      what,
      setting: (await settingOf(what, given)) as CommonHeader['setting'],
      networks: outlines.map(({ layout, left, settings }) => ({ layout, left, settings })),
      numbers: layers.map(({ number }) => number),
      methods: layers.map(methodOf),
      ...{ units, width, input: laws.name, window: given.window, alignment: given.align, backend },
      ...(rotation && { rotation }),
    },
  };
}

/** One text for headers of shards of one comparison. */
export const digestOfCommon = ({ count, common }: BlocksHeader): string =>
  createHash('sha256')
    .update(JSON.stringify([count, common]))
    .digest('hex');

/** The headers in a state file. It can come from anywhere: what nothing writes is passed over. */
export function headersIn(records: ReadonlyMap<string, unknown>): BlocksHeader[] {
  const found: BlocksHeader[] = [];
  for (const [key, record] of records) if (HEADER_KEY.test(key) && isSound(record, key)) found.push(record);
  return found;
}

function isSound(record: unknown, key: string): record is BlocksHeader {
  try {
    return (
      isHeader(record as BlocksHeader) &&
      key === headerKey((record as BlocksHeader).index, (record as BlocksHeader).count)
    );
  } catch {
    return false;
  }
}

function isHeader({ schema, index, count, places, common }: BlocksHeader): boolean {
  const { what, setting, networks, numbers, methods, units, width, input, window, alignment, backend } = common;
  const layers = numbers.length;
  const isUnit = (unit: Unit) =>
    isWhole(unit, 0, layers - 1) ||
    isEnd(unit) ||
    unit === 'norms' ||
    isWhole((unit as { digest: number }).digest, 0, networks.length - 1);
  return (
    schema === 'tensim.blocks-part/1' &&
    isWhole(index, 1, count) &&
    isWhole(count, 1) &&
    ['pair', 'matrix'].includes(what) &&
    (what === 'pair' ? networks.length === 2 : networks.length >= 2) &&
    typeof setting === 'object' &&
    setting !== null &&
    places.length === networks.length &&
    places.every(({ path, files = [] }) => typeof path === 'string' && isTexts(files)) &&
    networks.every(isNetwork) &&
    numbers.every((number) => isWhole(number, 0)) &&
    methods.length === layers &&
    methods.every((method) => ['whole', 'parts', 'sampled'].includes(method)) &&
    units.every(([unit, shard]) => isUnit(unit) && isWhole(shard, 1, count)) &&
    isWhole(width, 1) &&
    typeof input === 'string' &&
    isWhole(window, 1) &&
    ALIGNMENTS.includes(alignment) &&
    ['native', 'cuda', 'fallback'].includes(backend) &&
    isRotation(common.rotation)
  );
}

function isNetwork({ layout, left, settings }: CommonHeader['networks'][number]): boolean {
  return typeof layout === 'string' && isTexts(left) && typeof settings === 'object' && settings !== null;
}

function isRotation(rotation: CommonHeader['rotation']): boolean {
  if (rotation === undefined) return true;
  const { from, identity, keepsMean, ...numbers } = rotation.about;
  const isTold = typeof identity === 'boolean' && typeof keepsMean === 'boolean' && isTexts(from);
  return isTold && Object.values(numbers).every((value) => typeof value === 'number');
}
