import type { Control } from '../backend/control.js';
import type { LowRank } from '../backend/low_rank.js';
import { Pacer } from '../cooperate.js';
import type { DType } from '../tensor/tensor.js';
import type { OpenFiles } from './open_files.js';
import { bytesOfSlab, formatsOf, type Member, partOfSlab, readSlab, type Slab, type SlabMemory } from './slab.js';

/** What inner products are added to, and within what. */
export interface GramWork {
  /** Of all adapters; only cells from the diagonal on are added to. */
  readonly gram: readonly Float64Array[];
  readonly dtype: DType;
  readonly memoryLimit: number;
  readonly memory: SlabMemory;
  readonly files: OpenFiles;
  readonly by: LowRank;
  readonly control: Pick<Control, 'threads' | 'signal'>;
  readonly onPairs: (pairs: number) => void;
}

/** Adapters by as many, whose products are asked for at a time: some megabytes of results. */
const EDGE = 2048;

/**
 * Adds the inner products of all weights. The factors of the next are read while those of one are multiplied, if there is
 * room for both. Neither the limit nor the order of reading changes a bit: products are of the same adapters in any case.
 */
export async function addModules(modules: readonly (readonly Member[])[], work: GramWork): Promise<void> {
  const { memoryLimit, dtype, memory } = work;
  const needs = modules.map((members) => bytesOfSlab(members, dtype));
  let next: Promise<Slab[]> | undefined;
  for (const [i, members] of modules.entries()) {
    const blocks = alike(members, dtype);
    if (needs[i] > memoryLimit) {
      await addInBlocks(blocks, work);
      continue;
    }
    const slabs = await (next ?? readAll(blocks, work));
    next = undefined;
    const following = modules[i + 1];
    if (following !== undefined && needs[i] + needs[i + 1] <= memoryLimit) {
      next = readAll(alike(following, dtype), work);
      // It is waited for in its turn; where that never comes, it has failed for the same reason.
      next.catch(() => undefined);
    }
    for (const [j, one] of slabs.entries()) for (const other of slabs.slice(j)) await addSlabs(one, other, work);
    for (const slab of slabs) memory.give(slab);
  }
}

/** Members by rank and by how they are stored: what a product takes is of one kind. */
function alike(members: readonly Member[], dtype: DType): Member[][] {
  const groups = new Map<string, Member[]>();
  for (const member of members) {
    const { rank, mlx } = member.module;
    const key = [rank, mlx, ...formatsOf(member, dtype)].join(' ');
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [member]);
    else group.push(member);
  }
  return [...groups.values()];
}

async function readAll(blocks: readonly (readonly Member[])[], work: GramWork): Promise<Slab[]> {
  const slabs: Slab[] = [];
  for (const block of blocks) slabs.push(await read(block, work));
  return slabs;
}

const read = (members: readonly Member[], { dtype, memory, files, control }: GramWork): Promise<Slab> =>
  readSlab(members, dtype, memory, files, control.signal);

/** Of more members than fit in memory: two blocks of them at a time. */
async function addInBlocks(groups: readonly (readonly Member[])[], work: GramWork): Promise<void> {
  const { memoryLimit, dtype, memory } = work;
  const blocks: Member[][] = [];
  for (const members of groups) {
    const count = Math.max(1, Math.floor(memoryLimit / 2 / bytesOfSlab(members.slice(0, 1), dtype)));
    for (const [from, to] of spans(members.length, count)) blocks.push(members.slice(from, to));
  }
  for (const [i, rows] of blocks.entries()) {
    const one = await read(rows, work);
    await addSlabs(one, one, work);
    for (const columns of blocks.slice(i + 1)) {
      const other = await read(columns, work);
      await addSlabs(one, other, work);
      memory.give(other);
    }
    memory.give(one);
  }
}

/** Products of one slab with another, or with itself. */
async function addSlabs(one: Slab, other: Slab, work: GramWork): Promise<void> {
  for (const rows of spans(one.members.length, EDGE))
    for (const columns of spans(other.members.length, EDGE)) {
      if (one === other && columns[0] < rows[0]) continue;
      const part = partOfSlab(one, ...rows);
      await addTile(part, one === other && columns[0] === rows[0] ? null : partOfSlab(other, ...columns), work);
    }
}

type Span = readonly [from: number, to: number];

const spans = (length: number, size: number): Span[] =>
  Array.from({ length: Math.ceil(length / size) }, (_, i) => [i * size, Math.min(length, (i + 1) * size)]);

/** Adds the products of some adapters with others, or with themselves. */
async function addTile(rows: Slab, columns: Slab | null, work: GramWork): Promise<void> {
  const { gram, by, dtype, control, onPairs } = work;
  const others = columns ?? rows;
  const [height, width] = [rows.members.length, others.members.length];
  const pairs = columns === null ? (height * (height + 1)) / 2 : height * width;
  let told = 0;
  const tell = (all: number) => {
    onPairs(all - told);
    told = all;
  };
  const products = await by.products(rows.matrices, columns === null ? null : columns.matrices, dtype, {
    ...control,
    onProgress: (done, total) => tell(Math.floor((pairs * done) / total)),
  });
  const pacer = new Pacer(control.signal);
  for (const [i, { index }] of rows.members.entries()) {
    for (let j = columns === null ? i : 0; j < width; j++) {
      const other = others.members[j].index;
      gram[Math.min(index, other)][Math.max(index, other)] += products[i * width + j];
    }
    if (pacer.due(width)) await pacer.pause();
  }
  tell(pairs);
}
