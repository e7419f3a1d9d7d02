/** A contraction to measure. Shapes follow from the size of each label. */
export interface Instance {
  readonly name: string;
  readonly group: 'product' | 'batched' | 'tiny' | 'pair' | 'attention' | 'chain' | 'network' | 'layout' | 'memory';
  readonly equation: string;
  readonly sizes: Readonly<Record<string, number>>;
}

/** The shapes of the operands of an instance. */
export function shapesOf({ equation, sizes }: Pick<Instance, 'equation' | 'sizes'>): number[][] {
  const [inputs] = equation.split('->') as [string];
  return inputs.split(',').map((term) => [...term].map((label) => sizes[label]));
}

/** The fixed list. Comments say what an instance is there for. */
export const INSTANCES: readonly Instance[] = [
  // Matrix products: square ones against BLAS, skewed ones where a dimension is too small to block.
  { name: 'square 256', group: 'product', equation: 'mk,kn->mn', sizes: { m: 256, k: 256, n: 256 } },
  { name: 'square 512', group: 'product', equation: 'mk,kn->mn', sizes: { m: 512, k: 512, n: 512 } },
  { name: 'square 1024', group: 'product', equation: 'mk,kn->mn', sizes: { m: 1024, k: 1024, n: 1024 } },
  { name: 'deep', group: 'product', equation: 'mk,nk->mn', sizes: { m: 64, k: 65536, n: 64 } },
  { name: 'shallow', group: 'product', equation: 'mk,kn->mn', sizes: { m: 2048, k: 16, n: 2048 } },
  { name: 'thin', group: 'product', equation: 'mk,kn->mn', sizes: { m: 4096, k: 1024, n: 4 } },
  { name: 'matrix times vector', group: 'product', equation: 'mk,k->m', sizes: { m: 4096, k: 2048 } },

  // Batches, down to products too small to pack.
  { name: 'batch of 64', group: 'batched', equation: 'bmk,bkn->bmn', sizes: { b: 64, m: 128, k: 128, n: 128 } },
  { name: 'batch innermost', group: 'batched', equation: 'mkb,knb->mnb', sizes: { b: 64, m: 96, k: 96, n: 96 } },
  { name: 'tiny 4', group: 'tiny', equation: 'bmk,bkn->bmn', sizes: { b: 10000, m: 4, k: 4, n: 4 } },
  { name: 'tiny 8', group: 'tiny', equation: 'bmk,bkn->bmn', sizes: { b: 10000, m: 8, k: 8, n: 8 } },
  { name: 'tiny 16', group: 'tiny', equation: 'bmk,bkn->bmn', sizes: { b: 10000, m: 16, k: 16, n: 16 } },

  // The kernel of a pair of bilinear layers (MATH.md section 3).
  { name: 'pair 512 256', group: 'pair', equation: 'hi,ki,hj,kj->hk', sizes: { h: 512, k: 512, i: 256, j: 256 } },
  { name: 'pair 64 1024', group: 'pair', equation: 'hi,ki,hj,kj->hk', sizes: { h: 64, k: 64, i: 1024, j: 1024 } },
  {
    name: 'pair inner product',
    group: 'pair',
    equation: 'oh,hi,hj,ok,ki,kj->',
    sizes: { o: 10, h: 512, k: 512, i: 128, j: 128 },
  },

  // Attention: scores, values, and a bilinear form of two heads.
  { name: 'scores', group: 'attention', equation: 'bshd,bthd->bhst', sizes: { b: 4, s: 128, t: 128, h: 8, d: 64 } },
  { name: 'values', group: 'attention', equation: 'bhst,bthd->bshd', sizes: { b: 4, s: 128, t: 128, h: 8, d: 64 } },
  {
    name: 'quadratic attention',
    group: 'attention',
    equation: 'shd,thd,she,the,thv->shv',
    sizes: { s: 96, t: 96, h: 4, d: 32, e: 32, v: 32 },
  },
  {
    name: 'projected scores',
    group: 'attention',
    equation: 'sx,hdx,hdy,ty->hst',
    sizes: { s: 128, t: 128, x: 256, y: 256, h: 4, d: 32 },
  },

  // Chains, where the order is everything.
  {
    name: 'chain of 4',
    group: 'chain',
    equation: 'ab,bc,cd,de->ae',
    sizes: { a: 1000, b: 20, c: 800, d: 10, e: 600 },
  },
  {
    name: 'chain of 8',
    group: 'chain',
    equation: 'ab,bc,cd,de,ef,fg,gh,hi->ai',
    sizes: { a: 30, b: 350, c: 150, d: 50, e: 100, f: 200, g: 250, h: 40, i: 300 },
  },
  {
    name: 'matrix product state overlap',
    group: 'chain',
    equation: 'pa,pb,aqc,bqd,crd->r',
    sizes: { p: 16, q: 16, r: 16, a: 64, b: 64, c: 64, d: 64 },
  },

  // A ring of 6 with spokes, a closed 5 × 5 lattice of bond 4 (25 operands), and a random-looking network of 22.
  {
    name: 'wheel',
    group: 'network',
    equation: 'abu,bcv,cdw,dex,efy,faz,uvwxyz->',
    sizes: { a: 12, b: 12, c: 12, d: 12, e: 12, f: 12, u: 5, v: 5, w: 5, x: 5, y: 5, z: 5 },
  },
  { name: 'lattice 5 by 5', group: 'network', ...lattice(5, 5, 4) },
  {
    name: 'network of 22',
    group: 'network',
    equation: 'ab,acd,bef,cg,dhi,ejk,fl,gmn,ho,ipq,jr,kst,lu,mv,nwx,oy,pz,qA,rB,svwyzA,tCxu,BC->',
    sizes: Object.fromEntries([...'abcdefghijklmnopqrstuvwxyzABC'].map((label, i) => [label, 3 + (i % 3)])),
  },

  // TCCG-like: contracted and free labels interleaved so that no operand is a matrix as it lies.
  { name: 'abcd-aebf-fdec', group: 'layout', equation: 'aebf,fdec->abcd', sizes: sizesAll('abcdef', 32) },
  { name: 'abcd-ebad-ce', group: 'layout', equation: 'ebad,ce->abcd', sizes: sizesAll('abcde', 48) },
  { name: 'abc-bda-dc', group: 'layout', equation: 'bda,dc->abc', sizes: { a: 128, b: 128, c: 128, d: 128 } },
  {
    name: 'abcdef-dega-gfbc',
    group: 'layout',
    equation: 'dega,gfbc->abcdef',
    sizes: { a: 16, b: 16, c: 16, d: 16, e: 12, f: 12, g: 48 },
  },
  {
    name: 'transposed output',
    group: 'layout',
    equation: 'kab,kcd->dbca',
    sizes: { a: 24, b: 24, c: 24, d: 24, k: 96 },
  },

  // Bytes dominate: element-wise, reductions, outer products.
  { name: 'triple product', group: 'memory', equation: 'ij,ij,ij->ij', sizes: { i: 2048, j: 1024 } },
  { name: 'weighted sum', group: 'memory', equation: 'ijk,j->ik', sizes: { i: 128, j: 128, k: 128 } },
  { name: 'outer', group: 'memory', equation: 'i,j,k->ijk', sizes: { i: 128, j: 128, k: 128 } },
  // Small matrices along the axes of a large tensor: one after the other has the fewest operations, multiplied with
  // each other first they take fewer passes through memory.
  {
    name: 'gates on a state',
    group: 'memory',
    equation: 'abcdz,pa,qb,rc,sd->pqrsz',
    sizes: { ...sizesAll('abcdpqrs', 2), z: 2 ** 17 },
  },
  {
    name: 'gates inside a state',
    group: 'memory',
    equation: 'yabz,pa,qb->ypqz',
    sizes: { ...sizesAll('abpq', 2), y: 2 ** 9, z: 2 ** 10 },
  },
  { name: 'small factors', group: 'memory', equation: 'ijz,ai,bj->abz', sizes: { ...sizesAll('abij', 4), z: 2 ** 17 } },
  // What fitting a sum of outer products to a tensor repeats.
  {
    name: 'tensor times factors',
    group: 'memory',
    equation: 'ijk,jr,kr->ir',
    sizes: { i: 128, j: 128, k: 128, r: 16 },
  },
  { name: 'trace of a batch', group: 'memory', equation: 'bii->b', sizes: { b: 256, i: 128 } },
];

function sizesAll(labels: string, size: number): Record<string, number> {
  return Object.fromEntries([...labels].map((label) => [label, size]));
}

/** A closed contraction of a rectangular lattice of tensors, one bond of the given size between neighbours. */
function lattice(rows: number, columns: number, bond: number): Pick<Instance, 'equation' | 'sizes'> {
  const letters = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'];
  const labels = new Map<string, string>();
  const label = (edge: string) => {
    if (!labels.has(edge)) labels.set(edge, letters[labels.size]);
    return labels.get(edge)!;
  };
  const terms: string[] = [];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      let term = '';
      if (row > 0) term += label(`v${row - 1},${column}`);
      if (row < rows - 1) term += label(`v${row},${column}`);
      if (column > 0) term += label(`h${row},${column - 1}`);
      if (column < columns - 1) term += label(`h${row},${column}`);
      terms.push(term);
    }
  }
  return { equation: `${terms.join(',')}->`, sizes: sizesAll([...labels.values()].join(''), bond) };
}
