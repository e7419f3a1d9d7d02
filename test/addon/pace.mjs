// Prints how long a loop over typed arrays takes before and after the addon has been loaded, in milliseconds: the
// shortest of many runs, which other programs on the machine lengthen last.

const values = new Float64Array(4096).fill(1);
const others = new Float64Array(4096).fill(2);

function products(a, b, rounds) {
  let sum = 0;
  for (let r = 0; r < rounds; r++) for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function shortest() {
  let least = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 40; run++) {
    const start = performance.now();
    products(values, others, 500);
    least = Math.min(least, performance.now() - start);
  }
  return least;
}

shortest(); // optimised from here on
const before = shortest();
await import('./work.mjs');
shortest();
console.log(JSON.stringify({ before, after: shortest() }));
