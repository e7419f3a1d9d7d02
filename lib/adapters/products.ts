import { contract } from '../contraction/running/contract.js';
import type { ContractOptions } from '../contraction/running/options.js';
import type { DType, Tensor, TensorData } from '../tensor/tensor.js';
import type { OpenFiles } from './open_files.js';
import { bytesOfSlab, type Member, readSlab, type Slab, type SlabMemory } from './slab.js';

/** What inner products are added to, and within what. */
export interface GramWork {
  /** Of all adapters; only cells from the diagonal on are added to. */
  readonly gram: readonly Float64Array[];
  readonly dtype: DType;
  readonly memoryLimit: number;
  readonly memory: SlabMemory;
  readonly files: OpenFiles;
  readonly by: ContractOptions;
  readonly signal: AbortSignal | undefined;
  readonly onPairs: (pairs: number) => void;
}

/** Rows of stacked factors in a product: enough for the kernels to be busy, and its results stay in the cache. */
const ROWS = 2048;
/** Parts of a product on the diagonal, so that little of it is computed twice. */
const PARTS = 4;

const edgeOf = ({ module: { rank } }: Member): number => Math.max(PARTS, Math.floor(ROWS / rank));

/**
 * Adds the inner products of all weights. The factors of the next are read while those of one are multiplied, if there is
 * room for both. Neither the limit nor the order of reading changes a bit: products are of the same adapters in any case.
 */
export async function addModules(modules: readonly (readonly Member[])[], work: GramWork): Promise<void> {
  const { memoryLimit, dtype, memory } = work;
  const needs = modules.map((members) => bytesOfSlab(members, dtype));
  let next: Promise<Slab[]> | undefined;
  for (const [i, members] of modules.entries()) {
    const blocks = alike(members);
    if (needs[i] > memoryLimit) {
      await addInBlocks(blocks, work);
      continue;
    }
    const slabs = await (next ?? readAll(blocks, work));
    next = undefined;
    const following = modules[i + 1];
    if (following !== undefined && needs[i] + needs[i + 1] <= memoryLimit) {
      next = readAll(alike(following), work);
      // It is waited for in its turn; where that never comes, it has failed for the same reason.
      next.catch(() => undefined);
    }
    for (const [j, one] of slabs.entries()) for (const other of slabs.slice(j)) await addSlabs(one, other, work);
    for (const slab of slabs) memory.give(slab);
  }
}

/** Members by rank and by how they are stored: what a product takes is of one kind. */
function alike(members: readonly Member[]): Member[][] {
  const groups = new Map<string, Member[]>();
  for (const member of members) {
    const key = `${member.module.rank} ${member.module.mlx}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [member]);
    else group.push(member);
  }
  return [...groups.values()];
}

async function readAll(blocks: readonly (readonly Member[])[], { memory, files, signal }: GramWork): Promise<Slab[]> {
  const slabs: Slab[] = [];
  for (const block of blocks) slabs.push(await readSlab(block, memory, files, signal));
  return slabs;
}

/** Of more members than fit in memory: two blocks of them at a time. */
async function addInBlocks(groups: readonly (readonly Member[])[], work: GramWork): Promise<void> {
  const { memoryLimit, dtype, memory, files, signal } = work;
  const blocks: Member[][] = [];
  for (const members of groups) {
    const edge = edgeOf(members[0]);
    const each = bytesOfSlab(members.slice(0, 1), dtype);
    const count = edge * Math.max(1, Math.floor(memoryLimit / 2 / each / edge));
    for (let from = 0; from < members.length; from += count) blocks.push(members.slice(from, from + count));
  }
  for (const [i, rows] of blocks.entries()) {
    const one = await readSlab(rows, memory, files, signal);
    await addSlabs(one, one, work);
    for (const columns of blocks.slice(i + 1)) {
      const other = await readSlab(columns, memory, files, signal);
      await addSlabs(one, other, work);
      memory.give(other);
    }
    memory.give(one);
  }
}

/** Products of tiles of one slab with tiles of another, or of itself. */
async function addSlabs(one: Slab, other: Slab, work: GramWork): Promise<void> {
  const [edge, otherEdge] = [edgeOf(one.members[0]), edgeOf(other.members[0])];
  for (const rows of spans(0, one.members.length, edge))
    for (const columns of spans(0, other.members.length, otherEdge)) {
      if (one !== other || columns[0] > rows[0]) await addTile(one, rows, other, columns, work);
      else if (columns[0] === rows[0]) await addDiagonal(one, rows, work);
    }
}

async function addDiagonal(slab: Slab, [from, to]: Span, work: GramWork): Promise<void> {
  const parts = spans(from, to, Math.ceil(edgeOf(slab.members[0]) / PARTS));
  for (const [i, rows] of parts.entries())
    for (const columns of parts.slice(i)) await addTile(slab, rows, slab, columns, work);
}

type Span = readonly [from: number, to: number];

function spans(from: number, to: number, size: number): Span[] {
  const found: Span[] = [];
  for (let at = from; at < to; at += size) found.push([at, Math.min(to, at + size)]);
  return found;
}

/** Σ over ranks of (Aᵢ Aⱼᵀ) ⊙ (Bᵢᵀ Bⱼ), two products of which only the sums are kept. */
async function addTile(one: Slab, rows: Span, other: Slab, columns: Span, work: GramWork): Promise<void> {
  const { gram, by, onPairs } = work;
  const labels = [one, other].map(({ members: [{ module }] }, side) => {
    const [member, rank] = side === 0 ? 'ia' : 'jb';
    return module.mlx ? [`${member}m${rank}`, `${member}${rank}n`] : [`${member}${rank}m`, `${member}n${rank}`];
  });
  const equation = `${labels[0][0]},${labels[1][0]},${labels[0][1]},${labels[1][1]}->ij`;
  const [first, second] = [operands(one, rows), operands(other, columns)];
  const { data } = await contract(equation, [first[0], second[0], first[1], second[1]], by);
  const width = columns[1] - columns[0];
  let pairs = 0;
  for (let i = rows[0]; i < rows[1]; i++)
    for (let j = one === other ? Math.max(i, columns[0]) : columns[0]; j < columns[1]; j++) {
      const [p, q] = [one.members[i], other.members[j]];
      const value = p.module.scale * q.module.scale * data[(i - rows[0]) * width + j - columns[0]];
      gram[Math.min(p.index, q.index)][Math.max(p.index, q.index)] += value;
      pairs++;
    }
  onPairs(pairs);
}

function operands({ members, a, b }: Slab, [from, to]: Span): [Tensor, Tensor] {
  const [{ module }] = members;
  const { rank, inputs, outputs, mlx } = module;
  const part = (data: TensorData, size: number) => data.subarray(from * size, to * size);
  return [
    { data: part(a, rank * inputs), shape: mlx ? [to - from, inputs, rank] : [to - from, rank, inputs] },
    { data: part(b, rank * outputs), shape: mlx ? [to - from, rank, outputs] : [to - from, outputs, rank] },
  ];
}
