// `npm run campaign -- slurm`: shards as people start them. A Slurm cluster of its own on loopback (munged, slurmctld,
// slurmd, in a folder that is removed), where an array of four loses a task to SIGKILL and Slurm requeues it; GNU
// parallel; and the variables that an indexed job of Kubernetes sets. Every way must give the bytes of one run. It takes
// slurm-wlm, munge and parallel of Debian, and root.

import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { blockFiles, random } from './models.mjs';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    filter: { type: 'string', default: '' },
    program: { type: 'string', default: 'dist/cli.js' },
  },
});
const COUNT = 4;
/** So large that a task computes for some seconds: then it can be killed at work. */
const FIELD = { inputs: 256, hidden: 128, outputs: 10 };
const MODELS = 150;
const ROUTE = ['--route', 'factor'];
const SECONDS = 300;

const folder = mkdtempSync(join(tmpdir(), 'tensim-slurm-'));
const program = resolve(values.program);
const draw = random(Number(values.seed));
const daemons = [];

function run(command, args, env = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
    env: { ...process.env, ...env },
    cwd: folder,
  });
  if (status !== 0) throw new Error(`${command} ${args[0]}: ${error?.message ?? stderr}`);
  return stdout;
}

const versionOf = (command, flag = '--version') => run(command, [flag]).split('\n')[0];
const tensim = (args, env) => run(process.execPath, [program, ...args], env);
const resultIn = (stdout) => stdout.replace(/("seconds": ?)[-+.\de]+/g, '$1null');

async function until(what, isSo, seconds = SECONDS) {
  const end = performance.now() + 1000 * seconds;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`${what} took more than ${seconds} s`);
    await wait(100);
  }
}

function daemon(command, args, env) {
  const child = spawn(command, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
    cwd: folder,
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said.push(text);
  });
  daemons.push(child);
}
const said = [];

/** Starts a cluster of this machine alone; resolves to the environment of its commands. */
async function cluster() {
  const [key, socket, conf] = ['munge.key', 'munge.socket', 'slurm.conf'].map((name) => join(folder, name));
  writeFileSync(key, Buffer.from(Array.from({ length: 1024 }, () => Math.floor(256 * draw()))), { mode: 0o400 });
  chmodSync(folder, 0o755);
  const files = ['pid', 'log', 'seed'].map((name) => `--${name}-file=${join(folder, `munged.${name}`)}`);
  daemon('munged', ['--foreground', '--force', `--key-file=${key}`, `--socket=${socket}`, ...files]);
  await until('munged', () => existsSync(socket), 20);
  const host = hostname().split('.')[0];
  const lines = [
    ...['ClusterName=campaign', `SlurmctldHost=${host}(127.0.0.1)`, 'SlurmUser=root', 'SlurmdUser=root'],
    ...['SlurmctldPort=36817', 'SlurmdPort=36818', 'AuthType=auth/munge', `AuthInfo=socket=${socket}`],
    ...['ProctrackType=proctrack/linuxproc', 'TaskPlugin=task/none', 'MpiDefault=none', 'ReturnToService=2'],
    ...['SchedulerType=sched/backfill', 'SelectType=select/cons_tres', 'SlurmdParameters=config_overrides'],
    ...['AccountingStorageType=accounting_storage/none', 'JobAcctGatherType=jobacct_gather/none'],
    // What was killed is put into the queue again, a few seconds later.
    ...['RequeueExit=137', 'KillWait=2', 'SchedulerParameters=bf_interval=1,sched_interval=2'],
    ...[`StateSaveLocation=${join(folder, 'state')}`, `SlurmdSpoolDir=${join(folder, 'spool')}`],
    ...[`SlurmctldPidFile=${join(folder, 'ctld.pid')}`, `SlurmdPidFile=${join(folder, 'd.pid')}`],
    `NodeName=${host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=1000 State=UNKNOWN`,
    `PartitionName=all Nodes=${host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:2`,
  ];
  writeFileSync(conf, `${lines.join('\n')}\n`);
  const env = { SLURM_CONF: conf };
  daemon('slurmctld', ['-D', '-c', '-f', conf], env);
  daemon('slurmd', ['-D', '-c', '-f', conf], env);
  const state = () => spawnSync('sinfo', ['-h', '-o', '%T'], { encoding: 'utf8', env: { ...process.env, ...env } });
  await until('the cluster', () => /idle/.test(state().stdout ?? ''), 60).catch((error) => {
    throw new Error(`${error.message}: ${said.join('')}${state().stderr}`);
  });
  return env;
}

/** An array of four of which one task is killed at work; Slurm puts it into the queue again. */
async function inArray(files) {
  const env = await cluster();
  const state = (task) => join(folder, `slurm-${task}.state`);
  const script = join(folder, 'job.sh');
  const words = [process.execPath, program, 'matrix', ...files, ...ROUTE].map((word) => `'${word}'`).join(' ');
  writeFileSync(
    script,
    `#!/bin/bash\necho "$SLURM_RESTART_COUNT" >> restarts-$SLURM_ARRAY_TASK_ID\n` +
      // What is killed by a signal has no exit status that Slurm could be told to put into the queue again.
      `${words} --shard auto --threads 1 --state slurm-$SLURM_ARRAY_TASK_ID.state &\n` +
      'echo $! > pid-$SLURM_ARRAY_TASK_ID\nwait $!\nexit $?\n',
  );
  const job = run(
    'sbatch',
    ['--parsable', `--array=0-${COUNT - 1}`, '--requeue', '--output=out-%a', script],
    env,
  ).trim();
  // Killed at the first moment when there is more than the header in its file.
  const victim = COUNT - 2;
  const sizeOf = (path) => (existsSync(path) ? statSync(path).size : 0);
  await until('the task', () => sizeOf(state(victim)) > 0);
  const header = sizeOf(state(victim));
  await until('the task', () => sizeOf(state(victim)) > header);
  process.kill(Number(readFileSync(join(folder, `pid-${victim}`), 'utf8')), 'SIGKILL');
  const killedAt = sizeOf(state(victim));
  const restarts = () => readFileSync(join(folder, `restarts-${victim}`), 'utf8').split('\n').length - 1;
  // Slurm holds back what was put into the queue again for two minutes; told once, it does not.
  const stateOf = () => run('squeue', ['-h', '-j', `${job}_${victim}`, '-o', '%T %r %S'], env).trim();
  await until('the requeue', () => /^PENDING/.test(stateOf()) || restarts() > 1, 60);
  spawnSync('scontrol', ['update', `JobId=${job}_${victim}`, 'StartTime=now'], { env: { ...process.env, ...env } });
  await until('the second start', () => restarts() > 1).catch((error) => {
    throw new Error(`${error.message}: ${stateOf()}`);
  });
  await until('the array', () => run('squeue', ['-h'], env).trim() === '');
  const outputs = Array.from({ length: COUNT }, (_, task) => readFileSync(join(folder, `out-${task}`), 'utf8').trim());
  console.log(
    `Slurm: task ${victim} was killed with ${killedAt} bytes in its state file and ran ${restarts()} times; it then said: ${outputs[victim].split('\n').at(-1)}`,
  );
  return Array.from({ length: COUNT }, (_, task) => state(task));
}

function byParallel(files) {
  const words = [process.execPath, program, 'matrix', ...files, ...ROUTE].map((word) => `'${word}'`).join(' ');
  const command = `${words} --shard {}/${COUNT} --state parallel-{}.state`;
  run('parallel', [
    '--will-cite',
    '-j',
    '2',
    command,
    ':::',
    ...Array.from({ length: COUNT }, (_, i) => String(i + 1)),
  ]);
  return Array.from({ length: COUNT }, (_, i) => join(folder, `parallel-${i + 1}.state`));
}

function byIndexedJob(files) {
  return Array.from({ length: COUNT }, (_, index) => {
    const state = join(folder, `pod-${index}.state`);
    const env = { JOB_COMPLETION_INDEX: String(index), TENSIM_SHARDS: String(COUNT) };
    tensim(['matrix', ...files, ...ROUTE, '--shard', 'auto', '--state', state], env);
    return state;
  });
}

const WAYS = { slurm: inArray, parallel: byParallel, kubernetes: byIndexedJob };

let failed = 0;
try {
  console.log(
    `${versionOf('slurmctld', '-V')}, ${versionOf('munged')}, ${versionOf('parallel')}, node ${process.version}`,
  );
  const files = blockFiles(folder, MODELS, FIELD, draw);
  const whole = resultIn(tensim(['matrix', ...files, ...ROUTE, '--json']));
  for (const [name, way] of Object.entries(WAYS)) {
    if (!name.includes(values.filter)) continue;
    const states = await way(files);
    const isSame = resultIn(tensim(['merge', ...states, '--json'])) === whole;
    if (!isSame) failed++;
    console.log(`${name}: ${COUNT} shards put together give ${isSame ? 'the bytes of one run' : 'OTHER BYTES'}`);
  }
} finally {
  for (const child of daemons.reverse()) {
    child.kill('SIGTERM');
    await Promise.race([new Promise((done) => child.on('close', done)), wait(5000)]);
    if (child.exitCode === null) child.kill('SIGKILL');
  }
  rmSync(folder, { recursive: true, force: true });
}
if (failed > 0) process.exitCode = 1;
