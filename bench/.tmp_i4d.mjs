// lib/backend/native.ts
import { createRequire } from "node:module";
import { availableParallelism as availableParallelism2 } from "node:os";

// lib/errors.ts
var TensimError = class extends Error {
  name = "TensimError";
  code;
  file;
  tensor;
  hint;
  constructor(code, message, details = {}) {
    const place = [details.file, details.tensor === void 0 ? void 0 : `tensor "${details.tensor}"`].filter((part) => part !== void 0).join(": ");
    const text = place === "" ? message : `${place}: ${message}`;
    super(
      details.hint === void 0 ? text : `${text}. ${details.hint}`,
      details.cause === void 0 ? void 0 : { cause: details.cause }
    );
    this.code = code;
    if (details.file !== void 0) this.file = details.file;
    if (details.tensor !== void 0) this.tensor = details.tensor;
    if (details.hint !== void 0) this.hint = details.hint;
  }
};

// lib/backend/locate.ts
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
function packageRoot() {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!isPackageRoot(folder)) {
    const parent = dirname(folder);
    if (parent === folder) {
      throw new TensimError("BACKEND_UNAVAILABLE", 'the folder of the package "tensim" was not found', {
        hint: "If a bundler put tensim into one file with other code, declare it as external"
      });
    }
    folder = parent;
  }
  return folder;
}
function isPackageRoot(folder) {
  const file = join(folder, "package.json");
  return existsSync(file) && JSON.parse(readFileSync(file, "utf8")).name === "tensim";
}

// lib/backend/native_machine.ts
import { availableParallelism } from "node:os";
var GEMM_EFFICIENCY = 0.85;
var MEMORY_THREADS = 4;
var SECONDS_PER_STEP = 4e-6;
var SMALL = 32;
var OFFSET = 8;
function nativeMachine(addon) {
  const speeds = /* @__PURE__ */ new Map();
  return (dtype, threads = availableParallelism()) => {
    const speed = speeds.get(dtype) ?? addon.speed(dtype);
    speeds.set(dtype, speed);
    const [flops, bytes] = speed;
    return {
      flopsPerSecond: flops * GEMM_EFFICIENCY * threads,
      bytesPerSecond: bytes * Math.min(threads, MEMORY_THREADS),
      secondsPerStep: SECONDS_PER_STEP,
      workspaceBytes: (size, strategy, itemBytes) => workspaceBytes(addon, size, strategy, itemBytes, dtype, threads)
    };
  };
}
function workspaceBytes(addon, { batch, m, n, k }, strategy, itemBytes, dtype, threads) {
  if (k === 1) return 0;
  const offsets = (3 * batch + 2 * (m + n + k)) * OFFSET;
  if (strategy === "loops") return offsets;
  const atOnce = Math.min(batch, threads);
  const copies = strategy === "ttgt" ? (m * k + k * n + m * n) * itemBytes : 0;
  if (strategy === "blocked" && (m === 1 || n === 1)) return offsets + batch * k * itemBytes;
  if (strategy === "blocked" && Math.max(m, n, k) <= SMALL) return offsets;
  return offsets + atOnce * (addon.gemmWorkspace(m, n, k, dtype) + copies);
}

// lib/backend/native.ts
var PROGRESS_INTERVAL = 50;
var loaded;
function loadNative() {
  loaded ??= load();
  return loaded;
}
function load() {
  try {
    const require2 = createRequire(import.meta.url);
    const addon = require2("node-gyp-build")(packageRoot());
    const info = addon.info();
    return {
      backend: createNative(addon),
      details: {
        "instruction set": info.instructionSet,
        "instruction sets available": info.available.join(", "),
        processor: info.processor === "" ? "unknown" : info.processor,
        threads: availableParallelism2(),
        "L1 data cache": `${info.l1 / 1024} KiB`,
        "L2 cache": `${info.l2 / 1024} KiB`,
        "Node-API": info.nodeApi,
        compiler: info.compiler ?? "unknown"
      }
    };
  } catch (error) {
    return { reason: error.message.trim().split("\n")[0] ?? "the addon did not load" };
  }
}
function createNative(addon) {
  async function run(control, call) {
    const { signal, onProgress } = control;
    signal?.throwIfAborted();
    const nativeControl = new addon.Control();
    const abort = () => nativeControl.abort();
    signal?.addEventListener("abort", abort, { once: true });
    const timer = onProgress && setInterval(() => report(onProgress, nativeControl.progress()), PROGRESS_INTERVAL).unref();
    try {
      return await call(control.threads ?? availableParallelism2(), nativeControl);
    } catch (error) {
      const { code, message } = error;
      if (code === "ABORTED") throw signal?.reason ?? error;
      throw code === void 0 ? error : new TensimError(code, message);
    } finally {
      clearInterval(timer);
      signal?.removeEventListener("abort", abort);
    }
  }
  const plans = /* @__PURE__ */ new WeakMap();
  function nativePlan(plan) {
    let known = plans.get(plan);
    if (known === void 0) {
      known = new addon.Plan(plan);
      plans.set(plan, known);
    }
    return known;
  }
  return {
    name: "native",
    methods: /* @__PURE__ */ new Set(["one-block", "two-block", "closure", "tensor"]),
    machine: nativeMachine(addon),
    async contract(plan, operands, control = {}) {
      const { data, exponent } = await run(
        control,
        (threads, nativeControl) => addon.contract(
          nativePlan(plan),
          operands.map((operand) => ownedData(operand.data)),
          threads,
          nativeControl
        )
      );
      control.onProgress?.(plan.points, plan.points);
      const shape = Object.freeze([...plan.output.shape]);
      return plan.stripExponent ? { data, shape, exponent } : { data, shape };
    },
    prepare: (source, dtype, control = {}) => run(control, (threads, nativeControl) => addon.prepare(owned(source), dtype, threads, nativeControl)),
    gramTile: (job, rows, columns, control = {}) => run(control, (threads, nativeControl) => addon.gramTile(job, rows, columns, threads, nativeControl)),
    peak: (dtype, seconds) => run({}, (_, nativeControl) => addon.peak(dtype, seconds, 1, nativeControl))
  };
}
function report(onProgress, [done, total]) {
  if (total > 0) onProgress(done, total);
}
function owned(source) {
  if (source.kind === "features") return { ...source, segments: source.segments.map(ownedData) };
  const { mean, factor, sigma } = source.law;
  return {
    ...source,
    layers: source.layers.map(ownedLayer),
    law: {
      sigma,
      mean: mean && ownedData(mean),
      factor: factor && { ...factor, data: ownedData(factor.data) }
    }
  };
}
function ownedLayer(layer) {
  return Object.fromEntries(
    Object.entries(layer).map(([name, value]) => [
      name,
      isTensor(value) ? { ...value, data: ownedData(value.data) } : value
    ])
  );
}
function isTensor(value) {
  return typeof value === "object" && value !== null && "data" in value;
}
function ownedData(data) {
  const { buffer } = data;
  const stays = buffer instanceof ArrayBuffer && buffer.resizable !== true;
  return stays ? data : data.slice();
}

// ../../tmp/i4dbench/bench.ts
var native = loadNative();
var backend = native.backend;
var state = 1;
var rnd = (n, s) => Float32Array.from({ length: n }, () => {
  let u = 0;
  for (let k = 0; k < 4; k++) {
    state = Math.imul(state, 1664525) + 1013904223 >>> 0;
    u += state / 2 ** 32 - 0.5;
  }
  return u * 1.732 * s;
});
var mat = (r, c, s = 1 / Math.sqrt(c)) => ({ data: rnd(r * c, s), shape: [r, c] });
var vec = (r) => ({ data: rnd(r, 0.3), shape: [r] });
function attn(V, d, heads, L, n, bias) {
  const layers = [{ type: "linear", weight: mat(d, V) }];
  for (let i = 0; i < L; i++) layers.push({
    type: "attention",
    heads,
    q1: mat(d, d),
    k1: mat(d, d),
    q2: mat(d, d),
    k2: mat(d, d),
    v: mat(d, d),
    o: mat(d, d),
    ...bias ? { q1Bias: vec(d), k1Bias: vec(d), q2Bias: vec(d), k2Bias: vec(d) } : {},
    mask: "causal",
    rotaryBase: 1e4,
    alpha: 1,
    beta: 0.35
  });
  layers.push({ type: "linear", weight: mat(V, d) });
  return { kind: "chain", layers, inputs: V, positions: n, method: "closure", law: { sigma: 1 } };
}
function deep(d, m, h, o, blocks, method) {
  const layers = [{ type: "linear", weight: mat(m, d) }];
  for (let i = 0; i < blocks; i++) layers.push({ type: "bilinear", left: mat(h, m), right: mat(h, m), down: mat(m, h), downBias: vec(m), alpha: 0.5, beta: 0.5 });
  layers.push({ type: "linear", weight: mat(o, m) });
  return { kind: "chain", layers, inputs: d, positions: 1, method, law: { sigma: 1 } };
}
async function time(name, make, dtype, threads = 2) {
  const a = await backend.prepare(make(), dtype, { threads });
  let t0 = performance.now();
  const b = await backend.prepare(make(), dtype, { threads });
  const prep = performance.now() - t0;
  let best = Infinity, v = 0;
  const job = { measure: "gaussian", symmetric: false, perOutput: false };
  t0 = performance.now();
  do {
    const t = performance.now();
    v = (await backend.gramTile(job, [a], [b], { threads })).total[0];
    best = Math.min(best, performance.now() - t);
  } while (performance.now() - t0 < 600);
  console.log(name.padEnd(40), dtype, `threads ${threads}  pair ${best.toFixed(2)} ms  prepare ${prep.toFixed(1)} ms  value ${v.toPrecision(8)}`);
}
var which = process.argv[2] ?? "all";
console.log("peak f32", await backend.peak("float32", 0.2) / 1e9, "f64", await backend.peak("float64", 0.2) / 1e9);
for (const threads of [2, 1]) {
  if (which !== "b") {
    await time("attn V4096 d256 h8 L2 n4", () => attn(4096, 256, 8, 2, 4, false), "float32", threads);
    await time("attn V4096 d256 h8 L2 n4 bias", () => attn(4096, 256, 8, 2, 4, true), "float32", threads);
    await time("attn V512 d64 h4 L2 n4", () => attn(512, 64, 4, 2, 4, false), "float32", threads);
    await time("attn V512 d64 h4 L2 n4 bias", () => attn(512, 64, 4, 2, 4, true), "float32", threads);
  }
  await time("deep 3 closure", () => deep(784, 128, 256, 10, 3, "closure"), "float64", threads);
  await time("deep 3 closure", () => deep(784, 128, 256, 10, 3, "closure"), "float32", threads);
  await time("deep 3 tensor", () => deep(784, 128, 256, 10, 3, "tensor"), "float64", threads);
  await time("two-block 64->24 h48", () => deep(64, 24, 48, 10, 2, "two-block"), "float64", threads);
  await time("two-block 64->24 h48", () => deep(64, 24, 48, 10, 2, "two-block"), "float32", threads);
}
process.exit(0);
