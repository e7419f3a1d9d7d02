import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { posix } from 'node:path';

let shared: number | undefined;

/**
 * How many threads can be at work at a time: the processors that this process may run on, but no more than the quota of
 * the container it is in allows, rounded up. `availableParallelism` of Node 20 knows nothing of quotas. These are read
 * once.
 */
export function processors(): number {
  shared ??= process.platform === 'linux' ? processorsOfGroups() : Number.POSITIVE_INFINITY;
  return Math.min(availableParallelism(), shared);
}

/** A hierarchy of control groups: where it is mounted, which group is its top there, and what it can limit. */
interface Mount {
  readonly place: string;
  readonly top: string;
  readonly type: string;
  readonly options: readonly string[];
}

/**
 * What the control groups of this process allow it, of either version (cgroups(7)): quotas of time per period, and sets
 * of processors, in its own group and in all above it. Infinite without limits, and where nothing can be read.
 * @param root what stands before every path; of tests
 */
export function processorsOfGroups(root = ''): number {
  const mounts = lines(`${root}/proc/self/mountinfo`).flatMap(mountIn);
  const limits = lines(`${root}/proc/self/cgroup`).flatMap((line) => {
    const [, controllers, group] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (group === undefined) return [];
    const names = controllers.split(',');
    const mount = mounts.find(({ type, options }) =>
      controllers === '' ? type === 'cgroup2' : type === 'cgroup' && names.every((name) => options.includes(name)),
    );
    if (mount === undefined) return [];
    return groupsUpTo(mount, group).map((folder) => limitOf(root + folder));
  });
  return limits.reduce((least, limit) => Math.min(least, limit), Number.POSITIVE_INFINITY);
}

/** The line of a mount (proc_pid_mountinfo(5)): `36 35 98:0 /top /place rw - cgroup2 cgroup2 rw,cpu`. */
function mountIn(line: string): Mount[] {
  const [before, after = ''] = line.split(' - ');
  const [, , , top, place] = before.split(' ');
  const [type, , options = ''] = after.split(' ');
  return /^cgroup2?$/.test(type) ? [{ place, top, type, options: options.split(',') }] : [];
}

/** The folder of a group and of those above it, as far as they are mounted. */
function groupsUpTo({ place, top }: Mount, group: string): string[] {
  const below = posix.relative(top, group);
  // A namespace hides what is above the top: its own group is then the highest that can be seen.
  const names = below === '' || below.startsWith('..') ? [] : below.split('/');
  return [place, ...names.map((_, count) => posix.join(place, ...names.slice(0, count + 1)))];
}

function limitOf(folder: string): number {
  const [quota, period] = (first(`${folder}/cpu.max`) ?? '').split(' ');
  const sets = ['cpuset.cpus.effective', 'cpuset.effective_cpus', 'cpuset.cpus'];
  const set = sets.map((name) => first(`${folder}/${name}`)).find((text) => text !== undefined && text !== '');
  return Math.min(
    ratio(quota, period),
    ratio(first(`${folder}/cpu.cfs_quota_us`), first(`${folder}/cpu.cfs_period_us`)),
    set === undefined ? Number.POSITIVE_INFINITY : sizeOf(set),
  );
}

/** No limit is `max` in version 2 and −1 in version 1. */
function ratio(quota: string | undefined, period: string | undefined): number {
  const processors = Math.ceil(Number(quota) / Number(period));
  return processors >= 1 ? processors : Number.POSITIVE_INFINITY;
}

/** How many processors a list as `0-3,8` names; infinite for what is no such list. */
function sizeOf(list: string): number {
  const sizes = list.split(',').map((range) => {
    const [from, to = from] = range.split('-').map(Number);
    return to - from + 1;
  });
  const size = sizes.reduce((sum, count) => sum + count, 0);
  return size >= 1 ? size : Number.POSITIVE_INFINITY;
}

function first(file: string): string | undefined {
  return lines(file)[0];
}

function lines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').trim().split('\n');
  } catch {
    return [];
  }
}
