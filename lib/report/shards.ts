import type { PlannedShard, ShardPlan, ShardResult, ShardSampling } from '../shards/terms.js';
import { bytesText } from '../words/bytes.js';
import { count, plural } from '../words/counts.js';
import { shellWord } from '../words/shell.js';
import { SCHEMAS } from './schemas.js';

/** The plan of shards as plain data, the contract `tensim.shards/1`. */
export function shardPlanJson({ kind: _, ...plan }: ShardPlan): Record<string, unknown> {
  return { schema: SCHEMAS.shards, ...plan };
}

/** A finished shard as plain data, the contract `tensim.shard/1`. */
export function shardJson({ kind: _, ...result }: ShardResult): Record<string, unknown> {
  return { schema: SCHEMAS.shard, ...result };
}

/** What there is to say of a finished shard, in a line. */
export function shardText({ shard, pairs, reused, files, models, state, sampling }: ShardResult): string {
  if (sampling !== undefined) return sampledText({ shard, models, state, sampling });
  const kept = reused > 0 ? `, ${count(reused)} of them found there` : '';
  return `shard ${shard.index} of ${shard.count}: ${count(pairs)} ${plural(pairs, 'pair')} of ${count(files)} of ${count(models)} files in ${state}${kept}\n`;
}

function sampledText({
  shard,
  models,
  state,
  sampling: { samples, groups, of, reused, open },
}: Pick<ShardResult, 'shard' | 'models' | 'state'> & { readonly sampling: ShardSampling }): string {
  const kept = reused > 0 ? `, ${count(reused)} of them found there` : '';
  const more = open
    ? '\nmerge tells whether more are wanted; then the shard goes on, started again beside the state files of the others'
    : '';
  return `shard ${shard.index} of ${shard.count}: ${count(groups)} of ${of} groups of ${count(samples)} samples of ${count(models)} models in ${state}${kept}${more}\n`;
}

/** Shards that a table names one by one. */
const MOST_LINES = 40;

/**
 * How a matrix is cut, and what starts the shards.
 * @param given the words of the command, without those that say which shard, and what is printed.
 */
export function shardPlanText(plan: ShardPlan, given: readonly string[]): string {
  const { shards, models, pairs, measure, route, backend, maxSamples } = plan;
  const files = shards.reduce((sum, shard) => sum + shard.files, 0);
  const way = route === null ? '' : `, by the route "${route}"`;
  const lines = [
    `${count(models)} models, ${count(pairs)} pairs under the measure "${measure}"${way}, on the backend "${backend}"`,
    ...(maxSamples === undefined
      ? [
          `${count(shards.length)} ${plural(shards.length, 'shard')}, which open ${count(files)} files in all; seconds are of one thread, roughly`,
        ]
      : [
          `${count(shards.length)} ${plural(shards.length, 'shard')} of groups of samples, each of all models; what decides how many samples are drawn, every shard computes`,
          `for ${count(maxSamples)} samples, the most there may be (--max-samples): the tolerance may take fewer; seconds are of one thread, roughly`,
        ]),
    '',
    ...tableOf(maxSamples === undefined ? PAIRS : GROUPS, shards.slice(0, MOST_LINES)),
  ];
  if (shards.length > MOST_LINES) lines.push(`  … and ${count(shards.length - MOST_LINES)} more`);
  return `${lines.join('\n')}\n\n${startLines(shards.length, pinnedWords(plan, given))}`;
}

interface Column {
  readonly name: string;
  readonly width: number;
  readonly of: (shard: PlannedShard) => string | number;
}

const SHARD: Column = { name: 'shard', width: 7, of: ({ index }) => index };
const FILES: Column = { name: 'files', width: 8, of: ({ files }) => count(files) };
const SECONDS: Column = { name: 'seconds', width: 12, of: ({ seconds }) => seconds };
const PAIRS: readonly Column[] = [
  SHARD,
  { name: 'pairs', width: 13, of: ({ pairs }) => count(pairs) },
  FILES,
  { name: 'bytes', width: 12, of: ({ bytes }) => bytesText(bytes) },
  SECONDS,
];
const GROUPS: readonly Column[] = [
  SHARD,
  { name: 'groups', width: 8, of: ({ tiles }) => tiles },
  FILES,
  SECONDS,
  { name: 'state file', width: 13, of: ({ stateBytes = 0 }) => bytesText(stateBytes) },
];

function tableOf(columns: readonly Column[], shards: readonly PlannedShard[]): string[] {
  const line = (cell: (column: Column) => string) =>
    columns
      .map((column) => cell(column).padStart(column.width))
      .join('')
      .trimEnd();
  return [line(({ name }) => name), ...shards.map((shard) => line(({ of }) => String(of(shard))))];
}

/** The words of a command with those that all shards must have in common. */
function pinnedWords({ route, backend, alike }: ShardPlan, given: readonly string[]): string[] {
  const has = (name: string) => hasOption(given, name);
  return [
    ...given,
    ...(has('--backend') ? [] : ['--backend', backend]),
    ...(route === null || has('--route') ? [] : ['--route', route]),
    ...(alike && !has('--alike') ? ['--alike'] : []),
  ];
}

export const hasOption = (given: readonly string[], name: string): boolean =>
  given.some((word) => word === name || word.startsWith(`${name}=`));

/**
 * What starts so many shards, as a Slurm array, by GNU parallel, and as a job of Kubernetes.
 * @param pinned the words of the command that all have in common
 * @param out a report that can be written of them
 */
export function startLines(n: number, pinned: readonly string[], out = 'report.html'): string {
  const command = ['tensim', ...pinned].map(shellWord).join(' ');
  const state = (task: string) => `--state part-${task}.state`;
  const inArray = `${command} --shard auto ${state('$SLURM_ARRAY_TASK_ID')}`;
  const inParallel = `${command} --shard {}/${n} ${state('{}')}`;
  const words = [...pinned, '--shard', 'auto', '--state', '/parts/part-$(JOB_COMPLETION_INDEX).state'];
  return `Slurm:
  sbatch --array=1-${n} --requeue --wrap ${shellWord(inArray)}

GNU parallel:
  seq ${n} | parallel ${shellWord(inParallel)}

Kubernetes, with the files and /parts on volumes that all pods have:
  apiVersion: batch/v1
  kind: Job
  metadata: { name: tensim }
  spec:
    completions: ${n}
    parallelism: ${n}
    completionMode: Indexed
    backoffLimitPerIndex: 4
    template:
      spec:
        restartPolicy: Never
        containers:
          - name: tensim
            image: IMAGE
            command: ${JSON.stringify(['tensim', ...words])}
            env: [{ name: TENSIM_SHARDS, value: "${n}" }]

Then, also while they are running:
  tensim merge part-*.state --out ${out}
`;
}
