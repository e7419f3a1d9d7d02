import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { afterEach, describe, expect, it } from 'vitest';
import { processors, processorsOfGroups } from '../lib/processors.js';

const roots: string[] = [];

/** A file system of a container, of files by path. */
function container(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'tensim-cgroup-'));
  roots.push(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${text}\n`);
  }
  return root;
}

const UNIFIED = '30 24 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate';
const versionTwo = (group: string, files: Readonly<Record<string, string>>, mountinfo = UNIFIED) =>
  container({
    'proc/self/cgroup': `0::${group}`,
    'proc/self/mountinfo': `22 1 8:1 / / rw - ext4 /dev/sda1 rw\n${mountinfo}`,
    ...Object.fromEntries(Object.entries(files).map(([path, text]) => [`sys/fs/cgroup/${path}`, text])),
  });

afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true });
});

describe('the processors that a container may use', () => {
  it('are those of its quota, rounded up, in version 2', () => {
    expect(processorsOfGroups(versionTwo('/', { 'cpu.max': '200000 100000' }))).toBe(2);
    expect(processorsOfGroups(versionTwo('/', { 'cpu.max': '250000 100000' }))).toBe(3);
    expect(processorsOfGroups(versionTwo('/', { 'cpu.max': '10000 100000' }))).toBe(1);
    expect(processorsOfGroups(versionTwo('/', { 'cpu.max': 'max 100000' }))).toBe(Number.POSITIVE_INFINITY);
  });

  it('are the fewest of its own group and of those above it', () => {
    const own = { 'a.slice/cpu.max': '400000 100000', 'a.slice/b/cpu.max': 'max 100000' };
    expect(processorsOfGroups(versionTwo('/a.slice/b', own))).toBe(4);
    expect(processorsOfGroups(versionTwo('/a.slice/b', { ...own, 'a.slice/b/cpu.max': '300000 100000' }))).toBe(3);
    // A group beside it is none of its own.
    expect(processorsOfGroups(versionTwo('/a.slice/b', { ...own, 'a.slice/c/cpu.max': '100000 100000' }))).toBe(4);
  });

  it('are those of its set', () => {
    expect(processorsOfGroups(versionTwo('/', { 'cpuset.cpus.effective': '0-3,8,10-11' }))).toBe(7);
    const both = { 'cpuset.cpus.effective': '0-3', 'cpu.max': '150000 100000' };
    expect(processorsOfGroups(versionTwo('/', both))).toBe(2);
    expect(processorsOfGroups(versionTwo('/', { ...both, 'cpuset.cpus.effective': '5' }))).toBe(1);
  });

  it('are read where a part of the hierarchy is mounted, and where its top is hidden', () => {
    const part = '30 24 0:27 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw';
    expect(processorsOfGroups(versionTwo('/docker/abc', { 'cpu.max': '300000 100000' }, part))).toBe(3);
    expect(processorsOfGroups(versionTwo('/../other', { 'cpu.max': '300000 100000' }))).toBe(3);
  });

  it('are those of its quota and its set in version 1', () => {
    const files = {
      'proc/self/cgroup': '5:cpuset:/docker/abc\n4:cpu,cpuacct:/docker/abc\n3:memory:/docker/abc\n0::/',
      'proc/self/mountinfo': [
        '31 30 0:28 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct',
        '32 30 0:29 / /sys/fs/cgroup/cpuset ro - cgroup cgroup rw,cpuset',
      ].join('\n'),
      'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '350000',
      'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000',
      'sys/fs/cgroup/cpuset/cpuset.cpus': '0-63',
      'sys/fs/cgroup/cpuset/docker/abc/cpuset.cpus': '4-13',
    };
    const unlimited = { ...files, 'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1' };
    expect(processorsOfGroups(container(files))).toBe(4);
    expect(processorsOfGroups(container(unlimited))).toBe(10);
  });

  it('are not limited by what is not there or says nothing', () => {
    expect(processorsOfGroups(container({}))).toBe(Number.POSITIVE_INFINITY);
    const odd = { 'cpu.max': 'so it is', 'cpuset.cpus.effective': '' };
    expect(processorsOfGroups(versionTwo('/', odd))).toBe(Number.POSITIVE_INFINITY);
    expect(processorsOfGroups(versionTwo('/', { 'cpuset.cpus.effective': 'x-y' }))).toBe(Number.POSITIVE_INFINITY);
  });

  it('are never more than the process may run on', () => {
    expect(processors()).toBeGreaterThanOrEqual(1);
    expect(processors()).toBeLessThanOrEqual(availableParallelism());
  });

  it('are those of a quota that the system keeps', async (test) => {
    const group = groupOfOneProcessor();
    if (group === undefined) return test.skip('no control groups can be made here');
    try {
      const script = join(container({}), 'count.mjs');
      const contents = `import { processors } from './processors.js'; console.log(processors());`;
      const resolveDir = join(import.meta.dirname, '..', 'lib');
      await build({ stdin: { contents, resolveDir }, outfile: script, bundle: true, platform: 'node', format: 'esm' });
      const within = `echo $$ > "${group}/cgroup.procs" && exec "${process.execPath}" "${script}"`;
      expect(execFileSync('sh', ['-c', within], { encoding: 'utf8' }).trim()).toBe('1');
    } finally {
      rmdirSync(group);
    }
  });
});

/** A control group with a quota, of whichever version the system has; undefined where none can be made. */
function groupOfOneProcessor(): string | undefined {
  for (const hierarchy of ['/sys/fs/cgroup', '/sys/fs/cgroup/cpu']) {
    const isVersionTwo = existsSync(join(hierarchy, 'cgroup.subtree_control'));
    if (!isVersionTwo && !existsSync(join(hierarchy, 'cpu.cfs_quota_us'))) continue;
    const group = join(hierarchy, `tensim-${process.pid}`);
    try {
      mkdirSync(group);
    } catch {
      continue;
    }
    try {
      if (isVersionTwo) writeFileSync(join(group, 'cpu.max'), '100000 100000');
      else writeFileSync(join(group, 'cpu.cfs_quota_us'), '100000');
      return group;
    } catch {
      rmdirSync(group);
    }
  }
  return undefined;
}
