#pragma once

#include <napi.h>

#include <vector>

#include "../similarity/gram_tile.h"

namespace tensim::addon {

// The asynchronous functions of the addon; each returns a promise. `threads` and `control` are the last two arguments
// of all.

// prepare(sources: (ChainSource | FeatureSource)[], dtype, threads, control) → PreparedModel[]
Napi::Value prepare_call(const Napi::CallbackInfo& info);

// prepareCalm(sources: ChainSource[], window, dtype, threads, control) → { models: (PreparedModel | null)[], levels }:
// null for those that are not calm; of each other in turn, the level of the whole and of every output
// (similarity/levels.h).
Napi::Value prepare_calm_call(const Napi::CallbackInfo& info);

// gramTile(job: GramJob, rows: PreparedModel[], columns: PreparedModel[], threads, control) → GramTile
Napi::Value gram_tile_call(const Napi::CallbackInfo& info);

// prepareForward(source: ForwardSource, dtype, threads, control) → ForwardPass
Napi::Value prepare_forward_call(const Napi::CallbackInfo& info);

// evaluate(pass: ForwardPass, inputs: Float64Array | Float32Array | Int32Array, threads, control) → Float64Array |
// Float32Array, of the dtype that the pass was prepared with
Napi::Value evaluate_call(const Napi::CallbackInfo& info);

// contract(plan: Plan, operands: (Float64Array | Float32Array)[], threads, control) → { data, exponent }; operands are
// of the plan's dtype and hold what its layouts ask for.
Napi::Value contract_call(const Napi::CallbackInfo& info);

// loopHafnian(legs: PairedLegs, threads, control) → number
Napi::Value loop_hafnian_call(const Napi::CallbackInfo& info);

// lowRankProducts(rows: LowRankMatrices, columns: LowRankMatrices | null, dtype, threads, control) → Float64Array
// (rows.count, columns.count); of the rows with themselves, from the diagonal on, where columns are null
Napi::Value low_rank_products_call(const Napi::CallbackInfo& info);

// normals(key0, key1, dimension, first, count, threads, control) → Float64Array (count, dimension)
Napi::Value normals_call(const Napi::CallbackInfo& info);
// symmetricEigen(matrices: SymmetricMatrices, wanted, threads, control) → EigenPairs
Napi::Value symmetric_eigen_call(const Napi::CallbackInfo& info);

// The CUDA backend, in a library of its own, which `library` is the path of; lib/machines/cuda is their only user.

// cudaDevices(library) → [{ name, driver, runtime, capability, freeMemory, totalMemory, bandwidth }];
// blocks, and a broken driver may crash it
Napi::Value cuda_devices(const Napi::CallbackInfo& info);

// cudaPrepare(library, devices: number[], source: ChainSource | FeatureSource, dtype | 'tf32', threads, control)
// → { model, outputs, bytes }[], one on each device; 'tf32' is float32 whose products are one pass of TF32
Napi::Value cuda_prepare_call(const Napi::CallbackInfo& info);

// cudaDispose(model): a second time does nothing.
Napi::Value cuda_dispose(const Napi::CallbackInfo& info);

// cudaPeak(library, device, dtype, control) → flops per second that the tensor cores reach on registers alone
Napi::Value cuda_peak_call(const Napi::CallbackInfo& info);

// cudaGramTile(library, job: GramJob, rows: model[], columns: model[], threads, control) → GramTile
Napi::Value cuda_gram_tile_call(const Napi::CallbackInfo& info);

// cudaPrepareForward(library, device, source: ForwardSource, dtype | 'tf32', threads, control) → { pass, bytes }
Napi::Value cuda_prepare_forward_call(const Napi::CallbackInfo& info);

// cudaDisposeForward(pass): a second time does nothing.
Napi::Value cuda_dispose_forward(const Napi::CallbackInfo& info);

// cudaEvaluate(pass, inputs, threads, control) → as evaluate
Napi::Value cuda_evaluate_call(const Napi::CallbackInfo& info);

// cudaKeep(pass, inputs, roots: Float64Array | null, perOutput, threads, control) → { model, outputs, bytes }: outputs
// that stay on the device, as features in float64
Napi::Value cuda_keep_call(const Napi::CallbackInfo& info);

// cudaCombine(library, [a, b], x, y, threads, control) → { model, outputs, bytes }: x·a + y·b of kept outputs
Napi::Value cuda_combine_call(const Napi::CallbackInfo& info);

// cudaSampleProducts(library, outputs: model[], pairs: Uint32Array, { count, positions, outputs }, perOutput, threads,
// control) → Float64Array (pairs, count), or (pairs, count, outputs)
Napi::Value cuda_sample_products_call(const Napi::CallbackInfo& info);

// cudaNormals(library, device, key0, key1, dimension, first, count, threads, control) → as normals
Napi::Value cuda_normals_call(const Napi::CallbackInfo& info);

// cudaContract(library, device, tf32: boolean, plan: Plan, operands: array[], threads, control), as contract
Napi::Value cuda_contract_call(const Napi::CallbackInfo& info);

// peak(dtype, seconds, threads = 1, control) → flops per second that one thread reaches on registers alone
Napi::Value peak_call(const Napi::CallbackInfo& info);

// A copy: JavaScript owns every array it is given, since some embedders refuse memory from outside.
Napi::Value to_array(Napi::Env env, const std::vector<double>& values);

// A GramTile of lib/backend/backend.ts.
Napi::Object to_object(Napi::Env env, const GramTile& tile, bool per_output);

// A thread count between 1 and 256.
unsigned read_threads(const Napi::Value& value);

}  // namespace tensim::addon
