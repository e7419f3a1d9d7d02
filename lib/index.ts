/**
 * The public API of tensim: how functionally similar two neural networks are across all inputs, from their weights
 * alone.
 *
 *     import { loadModel, similarity } from 'tensim';
 *     const a = await loadModel('step_6000.safetensors');
 *     const b = await loadModel('step_6200.safetensors');
 *     console.log((await similarity(a, b)).similarity);
 *
 * @module tensim
 */

import './report/contracts.js';

export type { AdapterKind } from './adapters/config.js';
export { adapterMatrix } from './adapters/matrix.js';
export type { AdapterMatrix, AdapterMatrixOptions, AdapterSubject } from './adapters/terms.js';
export type { AbilityName, BackendName } from './backend/backend.js';
export type { Control } from './backend/control.js';
export type { GramRoute } from './backend/grams.js';
export type { ByMlpBackends, MlpBackend } from './blocks/backends.js';
export type { BlockInput, BlockMoments, BlockPart } from './blocks/law/input.js';
export { blockMatrix } from './blocks/matrix.js';
export type {
  AttentionMatrices,
  BlockMatrixValues,
  BlocksMatrix,
  LayerMatrices,
  MlpMatrices,
} from './blocks/matrix_terms.js';
export type { MlpMethod } from './blocks/mlps/choose.js';
export { type BlocksPlan, planBlocks } from './blocks/plan.js';
export { mergeBlocksShards } from './blocks/shards/merge.js';
export { blocksShardPlan } from './blocks/shards/plan.js';
export { blocksShard } from './blocks/shards/shard.js';
export type {
  BlocksShardOptions,
  BlocksShardPlan,
  BlocksShardResult,
  BlocksShare,
  MergedBlocks,
  MissingBlocks,
  OtherPart,
  PlannedBlocksShard,
} from './blocks/shards/terms.js';
export { similarityOfBlocks } from './blocks/similarity_of_blocks.js';
export type {
  Alignment,
  AttentionComparison,
  BasisAlignment,
  BlockOptions,
  BlockSimilarity,
  BlockSubject,
  BlocksResult,
  ExpertComparison,
  ExpertsComparison,
  HeadComparison,
  Impression,
  LayerComparison,
  MlpComparison,
  NormComparison,
  NormName,
  UnderLaw,
  UnitComparison,
  WeightComparison,
  WorstBlock,
} from './blocks/terms.js';
export type { Strategy } from './contraction/cost.js';
export type { EquationInput, LabelLists } from './contraction/parse.js';
export type { ExplicitPath } from './contraction/path/explicit.js';
export type { Optimize } from './contraction/path/find.js';
export type { Kernel as ContractionKernel, Slice as PathSlice } from './contraction/plan.js';
export type { CompiledContraction } from './contraction/running/compile.js';
export {
  compileContraction,
  compileContractionAsync,
  contract,
  contractionPath,
  contractionPathAsync,
} from './contraction/running/contract.js';
export type { CompileOptions, ContractOptions, PlanOptions } from './contraction/running/options.js';
export type { PathInfo, PathStep } from './contraction/running/path_info.js';
export { TensimError, type TensimErrorCode, type TensimErrorDetails } from './errors.js';
export { type EvaluateOptions, evaluate } from './evaluation/evaluate.js';
export type { ModelInputs } from './evaluation/inputs.js';
export { loadInputs } from './evaluation/inputs_file.js';
export { blockMoments, type ComputedMoments } from './evaluation/moments/block_moments.js';
export { loadSequences, type Sequences } from './evaluation/moments/sequences.js';
export type { MomentsOptions } from './evaluation/moments/sums.js';
export {
  type Checkpoint,
  type CheckpointFormat,
  type OpenOptions,
  openCheckpoint,
  type TensorEntry,
} from './formats/checkpoint.js';
export { type Conversion, type ConvertOptions, convert } from './formats/convert.js';
export type { Deflated } from './formats/entry.js';
export type { NamedTensors } from './formats/outgoing.js';
export type { Quantised } from './formats/quantised/quantised.js';
export { type WriteOptions, writeSafetensors } from './formats/safetensors/write.js';
export * as gaussian from './identities/index.js';
export type { RopeScaling } from './layers/rope_scaling.js';
export type {
  WatchEvent,
  WatchedFailure,
  WatchedFile,
  WatchedMatrix,
  WatchedOnset,
  WatchOptions,
} from './live/terms.js';
export { watch } from './live/watch.js';
export { type AbilityReport, type BackendReport, backends, type PassedOver } from './machines/select.js';
export { createModel, type LayerDefinition, type ModelDefinition, type ParallelDefinition } from './model/create.js';
export type {
  ActivationLayer,
  AttentionLayer,
  BatchNormLayer,
  BilinearLayer,
  ConvolutionLayer,
  GatedLayer,
  HiddenLayer,
  Layer,
  LayerNormLayer,
  LinearLayer,
  Model,
  ParallelLayer,
  PoolLayer,
  PositionsLayer,
  Provenance,
  RmsNormLayer,
  SoftmaxAttentionLayer,
} from './model/model.js';
export type { SetAside } from './model/reading/contents.js';
export { draftModel, type ModelDraft } from './model/reading/draft/draft.js';
export { type Inspection, inspect, type Problem, type TensorListing } from './model/reading/inspect.js';
export { type LoadOptions, loadModel } from './model/reading/load.js';
export type { Order } from './model/reading/order.js';
export type { ModelConfig, Setting } from './model/settings.js';
export type { OtherNorm, Uncompared } from './model/transformers/network.js';
export type { ToldSetting } from './model/transformers/settings.js';
export { writeAdapters } from './report/adapters/write.js';
export { writeBlocks } from './report/blocks/write.js';
export { type ExplanationReportOptions, writeExplanation } from './report/explain/write.js';
export { type Report, type ReportOptions, writeReport } from './report/write.js';
export { mergeShards } from './shards/merge.js';
export { shardPlan } from './shards/plan.js';
export { matrixShard } from './shards/shard.js';
export type {
  Merged,
  MergeOptions,
  PlannedShard,
  ShardChoice,
  ShardOptions,
  ShardPlan,
  ShardResult,
  ShardSampling,
} from './shards/terms.js';
export { direction } from './similarity/difference/direction.js';
export { explain } from './similarity/explain/explain.js';
export type {
  DifferenceParts,
  Direction,
  ExchangeExplanation,
  ExplainOptions,
  Explanation,
  FormExplanation,
  Hybrid,
  JointDifference,
  LayerExchange,
  LinearDirection,
  OutputDifference,
} from './similarity/explain/types.js';
export { type FeatureOptions, type FeatureSimilarity, featureSimilarity } from './similarity/features.js';
export {
  type GateCheck,
  type GateLimits,
  type GateOptions,
  type GateOutcome,
  type GateResult,
  type GateSubject,
  gate,
  type Judged,
  type JudgedSlice,
  judge,
  type Verdict,
} from './similarity/gate/gate.js';
export { cosine, distance } from './similarity/gram/derived.js';
export type { LawExtent } from './similarity/law/extent.js';
export { momentsOf, type SampleMoments } from './similarity/law/moments_of.js';
export { type ModelList, similarityMatrix } from './similarity/matrix.js';
export { blockScore } from './similarity/series/block_score.js';
export { correlation } from './similarity/series/correlation.js';
export { compareMeasures, type MeasureComparison } from './similarity/series/measure_comparison.js';
export { type Neighbour, nearestNeighbours } from './similarity/series/neighbours.js';
export {
  type Change,
  consecutive,
  largestChange,
  type Onset,
  type OutputChange,
  type OutputOnset,
  onset,
  outputOnsets,
} from './similarity/series/onset.js';
export { type RidgeStep, type RidgeSweep, ridgeSweep } from './similarity/series/ridge_sweep.js';
export {
  type Phase,
  type Segmentation,
  type SegmentationOptions,
  segmentation,
} from './similarity/series/segmentation.js';
export { similarity } from './similarity/similarity.js';
export type { DegreeName, DegreeSimilarity, Degrees, DegreesMatrix } from './similarity/terms/degrees.js';
export type {
  Behaviour,
  BehaviourMatrix,
  BeyondRange,
  CrossSimilarity,
  DataInputs,
  FinishedTile,
  InputLaw,
  LiveMatrix,
  Matrix,
  MatrixOptions,
  Measure,
  Method,
  ModelChoice,
  ModelPlaces,
  PairDifference,
  PerOutput,
  Progress,
  ResultInfo,
  RouteEstimate,
  SampledErrors,
  SampledSlice,
  Sampling,
  ScaledNumber,
  SimilarityMatrix,
  SimilarityOptions,
  SimilarityResult,
  SliceSimilarity,
  Source,
  Step,
  Weighed,
  Work,
} from './similarity/terms/types.js';
export type { FloatFormat } from './tensor/convert.js';
export type { IntegerTensor } from './tensor/integers.js';
export {
  type DType,
  type Precision,
  type ScaledTensor,
  type Tensor,
  type TensorData,
  tensor,
} from './tensor/tensor.js';
export { verifyMerge } from './verify/merge.js';
export type { VerifyOptions } from './verify/options.js';
export type {
  Fault,
  FaultCause,
  LayoutChange,
  MergedTensor,
  MergeResult,
  QuantisedCheck,
  RotationCertificate,
  TensorCheck,
  VerifyOutcome,
  VerifyResult,
  VerifySide,
  VerifyVerdict,
} from './verify/terms.js';
export { verify } from './verify/verify.js';
export { version } from './version.js';
export { type ByWorkers, matrixByWorkers, type WorkerShare } from './workers/matrix.js';
export type {
  QueueCertificates,
  QueueOptions,
  WorkerEvent,
  WorkerOptions,
  WorkerQueueEvent,
  WorkerReadyEvent,
  WorkerState,
  WorkerSummary,
  WorkersOptions,
  WorkerTile,
  WorkerTileEvent,
} from './workers/terms.js';
export { runWorker } from './workers/worker.js';
