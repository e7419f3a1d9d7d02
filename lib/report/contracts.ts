import type { AdapterMatrix } from '../adapters/terms.js';
import type { BlocksMatrix } from '../blocks/matrix_terms.js';
import type { BlocksPlan } from '../blocks/plan.js';
import type { BlocksResult } from '../blocks/terms.js';
import type { Inspection } from '../model/reading/inspect.js';
import { setContract } from '../plain_data.js';
import type { ShardPlan, ShardResult } from '../shards/terms.js';
import type { ExchangeExplanation, FormExplanation } from '../similarity/explain/types.js';
import type { FeatureSimilarity } from '../similarity/features.js';
import type { GateResult } from '../similarity/gate/gate.js';
import type { MeasureComparison } from '../similarity/series/measure_comparison.js';
import type { RidgeSweep } from '../similarity/series/ridge_sweep.js';
import type { CrossSimilarity, SimilarityMatrix, SimilarityResult } from '../similarity/terms/types.js';
import type { MergeResult, VerifyResult } from '../verify/terms.js';
import { adaptersJson } from './adapters/json.js';
import { blocksJson } from './blocks/json.js';
import { blocksMatrixJson } from './blocks/matrix.js';
import { blocksPlanJson } from './blocks/plan.js';
import { explanationJson } from './explain/json.js';
import { featuresJson } from './features.js';
import { gateJson } from './gate.js';
import { inspectionJson } from './inspection.js';
import { compareJson, crossJson, matrixJson, measuresJson } from './json.js';
import { SCHEMAS } from './schemas.js';
import { shardJson, shardPlanJson } from './shards.js';
import { verdictJson } from './verify/json.js';

/* Results of the public API as JSON are what the command line prints of them. */

setContract<SimilarityResult>('pair', compareJson);
setContract<SimilarityMatrix>('matrix', matrixJson);
setContract<CrossSimilarity>('cross', crossJson);
setContract<MeasureComparison>('measures', measuresJson);
// What is swept over is the caller's: results that are ours tell themselves.
setContract<RidgeSweep<unknown>>('ridge', ({ steps }) => ({ schema: SCHEMAS.ridge, steps }));
setContract<FormExplanation>('forms', explanationJson);
setContract<ExchangeExplanation>('exchange', explanationJson);
setContract<BlocksResult>('blocks', blocksJson);
setContract<BlocksMatrix>('blocks-matrix', blocksMatrixJson);
setContract<BlocksPlan>('blocks-plan', blocksPlanJson);
setContract<AdapterMatrix>('adapters', adaptersJson);
setContract<FeatureSimilarity>('features', featuresJson);
setContract<GateResult>('gate', (result) => gateJson(result, { result }));
setContract<VerifyResult>('verify', (result) => verdictJson('pair', result));
setContract<MergeResult>('merge', (result) => verdictJson('merge', result));
setContract<Inspection>('inspect', inspectionJson);
setContract<ShardResult>('shard', shardJson);
setContract<ShardPlan>('shards', shardPlanJson);
