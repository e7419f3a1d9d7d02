import { TensimError } from '../errors.js';
import { StateFile, settingText } from '../similarity/state/ledger.js';
import { withoutArithmetic } from '../similarity/state/setting.js';
import { oneLine } from '../words/quoting.js';
import { decodeHeader, matrixDigest, type ReadModel, type ShardHeader } from './header.js';
import { kindOfParts } from './kinds.js';

/** A part of a matrix in a file. */
export interface Part {
  readonly path: string;
  readonly header: ShardHeader;
  /** The setting that its tiles stand under in the file. */
  readonly setting: string;
}

/** Parts that belong together, and what they say in common. */
export interface Parts {
  /** By shard, and then in the order of the files. */
  readonly parts: readonly Part[];
  /** What all say, as the first of them says it. */
  readonly common: ShardHeader;
  /** What every place holds, as far as any part has read it. */
  readonly models: ReadonlyMap<number, ReadModel>;
  /** Words for the arithmetic of every kind of part; none where all is alike. */
  readonly mixed: readonly string[];
}

/**
 * Reads what every file says of itself, and makes sure that they are parts of one matrix, of the same files.
 * @throws TensimError `FILE_NOT_FOUND`, `INVALID_FILE` for what is no part; `INVALID_ARGUMENT` for parts of different
 * matrices or under different settings; `FILE_CHANGED` for files that were others for another part.
 */
export async function readParts(paths: readonly string[], mixed: boolean): Promise<Parts> {
  if (paths.length === 0) throw new TensimError('INVALID_ARGUMENT', 'no parts are given to be put together');
  if ((await kindOfParts(paths)) === 'blocks')
    throw new TensimError('INVALID_ARGUMENT', 'these are parts of blocks, and not of a matrix', {
      hint: 'Put them together with mergeBlocksShards, or tensim merge',
    });
  const parts: Part[] = [];
  // Tiles of a thousand parts would take gigabytes: what says the same is kept once.
  const matrices = new Map<string, ShardHeader['matrix']>();
  for (const path of paths) {
    for (const header of await headersIn(path)) {
      const digest = matrixDigest(header);
      const matrix = matrices.get(digest) ?? header.matrix;
      matrices.set(digest, matrix);
      parts.push(partOf(path, { ...header, matrix }));
    }
  }
  parts.sort((a, b) => a.header.index - b.header.index);
  const models = modelsIn(parts, { mixed, mayMix: true });
  const arithmetics = new Set(parts.map(({ header }) => arithmeticOf(header)));
  return { parts, common: parts[0].header, models, mixed: arithmetics.size > 1 ? [...arithmetics] : [] };
}

/** What parts of any kind have in common. */
type AnyHeader = Pick<ShardHeader, 'index' | 'count' | 'setting' | 'info' | 'models'> & {
  readonly matrix: Pick<ShardHeader['matrix'], 'labels'>;
};
type AnyPart = { readonly path: string; readonly header: AnyHeader };

/**
 * The models of parts, by place.
 * @param mixed whether parts may differ in their arithmetic, and whether there is such an option.
 * @throws TensimError as `readParts`, for parts that do not belong together.
 */
export function modelsIn(
  parts: readonly AnyPart[],
  { mixed, mayMix }: { readonly mixed: boolean; readonly mayMix: boolean },
): Map<number, ReadModel> {
  const [first, ...others] = parts;
  for (const other of others) requireSame(first, other, mixed, mayMix);
  const models = new Map<number, ReadModel>();
  const from = new Map<number, AnyPart>();
  for (const part of parts) {
    for (const model of part.header.models) {
      const known = models.get(model[0]);
      if (known !== undefined && known[1] !== model[1]) throw changed(model, from.get(model[0])!, part);
      models.set(model[0], model);
      from.set(model[0], part);
    }
  }
  return models;
}

const partOf = (path: string, header: ShardHeader): Part => ({
  path,
  header,
  setting: settingText({ common: header.setting, route: header.info.route }),
});

/** The last header of every shard in a file: files may have been added since it was begun. */
async function headersIn(path: string): Promise<ShardHeader[]> {
  const found = new Map<number, ShardHeader>();
  await StateFile.read(
    path,
    () => {},
    (text) => {
      const header = decodeHeader(text);
      if (header !== undefined) found.set(header.index, header);
    },
  );
  if (found.size > 0) return [...found.values()];
  throw new TensimError('INVALID_FILE', 'no shard of a matrix is in this file', {
    file: path,
    reason: 'it is a state file of something else, or of a shard that has not read its files yet',
    hint: 'Give the files that tensim matrix --shard … --state has written',
  });
}

function requireSame(one: AnyPart, other: AnyPart, mixed: boolean, mayMix: boolean): void {
  const [a, b] = [one.header, other.header];
  if (a.matrix !== b.matrix && matrixDigest(a) !== matrixDigest(b)) {
    throw new TensimError('INVALID_ARGUMENT', `it is not a part of the same matrix as ${oneLine(one.path)}`, {
      file: other.path,
      reason: howMatricesDiffer(a, b),
      hint: 'Run every shard with the same files, options and number of shards',
    });
  }
  const same = mixed ? withoutArithmetic : (text: string) => text;
  const sameWords = a.info.input === b.info.input && a.info.exact === b.info.exact;
  if (same(a.setting) === same(b.setting) && a.info.route === b.info.route && sameWords) return;
  const onlyArithmetic = withoutArithmetic(a.setting) === withoutArithmetic(b.setting) && a.info.route === b.info.route;
  throw new TensimError('INVALID_ARGUMENT', `it was computed otherwise than ${oneLine(one.path)}`, {
    file: other.path,
    reason: howSettingsDiffer(a, b),
    hint: onlyArithmetic
      ? `Set --backend, and TENSIM_CPU to instructions that all machines have${mayMix ? '; or merge with --mixed, where last digits then depend on the part' : ''}`
      : 'Run every shard with the same version and options; --route says how models are multiplied',
  });
}

function howMatricesDiffer(a: AnyHeader, b: AnyHeader): string {
  if (a.count !== b.count) return `one is of ${a.count} shards, the other of ${b.count}`;
  const [one, other] = [a.matrix.labels, b.matrix.labels];
  if (one.length !== other.length) return `one is of ${one.length} models, the other of ${other.length}`;
  const place = one.findIndex((label, at) => label !== other[at]);
  if (place >= 0) return `model ${place} is "${one[place]}" in one and "${other[place]}" in the other`;
  return 'the pairs of the two were chosen or cut otherwise';
}

function howSettingsDiffer(a: AnyHeader, b: AnyHeader): string {
  const [one, other] = [a, b].map(({ setting, info: { route } }): Record<string, unknown> => {
    return { ...JSON.parse(setting), route };
  });
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])];
  const name = names.find((name) => JSON.stringify(one[name]) !== JSON.stringify(other[name])) ?? 'law';
  const [left, right] = [one[name], other[name]].map((value) => oneLine(JSON.stringify(value) ?? 'none'));
  return `${name} is ${left} in one and ${right} in the other`;
}

/** The backend and its instructions, in words. */
function arithmeticOf({ setting, info }: ShardHeader): string {
  const { arithmetic } = JSON.parse(setting) as { arithmetic?: unknown };
  return typeof arithmetic === 'string' ? `${info.backend} (${oneLine(arithmetic)})` : info.backend;
}

function changed([, , source]: ReadModel, one: AnyPart, other: AnyPart): TensimError {
  const { header } = other;
  return new TensimError('FILE_CHANGED', `it is not the same in shard ${one.header.index} and shard ${header.index}`, {
    file: source.file ?? '',
    reason: 'it was written to between the two, or the two machines have different files under one name',
    hint: `Run these two shards again into new state files: ${oneLine(one.path)} and ${oneLine(other.path)}`,
  });
}
