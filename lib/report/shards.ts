import type { ShardPlan, ShardResult } from '../shards/terms.js';
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
export function shardText({ shard, pairs, reused, files, models, state }: ShardResult): string {
  const kept = reused > 0 ? `, ${count(reused)} of them found there` : '';
  return `shard ${shard.index} of ${shard.count}: ${count(pairs)} ${plural(pairs, 'pair')} of ${count(files)} of ${count(models)} files in ${state}${kept}\n`;
}

/** Shards that a table names one by one. */
const MOST_LINES = 40;

/**
 * How a matrix is cut, and what starts the shards.
 * @param given the words of the command, without those that say which shard, and what is printed.
 */
export function shardPlanText(plan: ShardPlan, given: readonly string[]): string {
  const { shards, models, pairs, measure, route, backend } = plan;
  const files = shards.reduce((sum, shard) => sum + shard.files, 0);
  const way = route === null ? '' : `, by the route "${route}"`;
  const lines = [
    `${count(models)} models, ${count(pairs)} pairs under the measure "${measure}"${way}, on the backend "${backend}"`,
    `${count(shards.length)} ${plural(shards.length, 'shard')}, which open ${count(files)} files in all; seconds are of one thread, roughly`,
    '',
    '  shard        pairs   files       bytes     seconds',
  ];
  for (const { index, pairs, files, bytes, seconds } of shards.slice(0, MOST_LINES)) {
    const cells = [index, count(pairs), count(files), bytesText(bytes), seconds].map(String);
    const widths = [7, 12, 7, 11, 11];
    lines.push(
      cells
        .map((cell, at) => cell.padStart(widths[at] + (at > 0 ? 1 : 0)))
        .join('')
        .trimEnd(),
    );
  }
  if (shards.length > MOST_LINES) lines.push(`  … and ${count(shards.length - MOST_LINES)} more`);
  return `${lines.join('\n')}\n\n${startLines(shards.length, pinnedWords(plan, given))}`;
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
