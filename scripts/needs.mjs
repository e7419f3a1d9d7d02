// What an addon asks of the machine that loads it, from what the tools of binutils tell of the file.

/** Every machine with a Node that tensim runs on has a glibc of 2.28 or newer; the toolchains reach further back. */
export const OLDEST_GLIBC = '2.17';

const WINDOWS_HAS = ['kernel32.dll', 'msvcrt.dll'];
const MACHINES = { arm64: /Machine: +AArch64/, x64: /Machine: +Advanced Micro Devices X86-64/ };

/** Of `readelf -hdVW`: versions by what has them (GLIBC, GCC …), ascending, and the libraries that must be there. */
export function needsOfElf(text) {
  const versions = {};
  const section = text.slice(text.indexOf('Version needs section'));
  for (const [, name, version] of section.matchAll(/Name: ([A-Z]+)_([\d.]+)/g)) {
    versions[name] ??= [];
    versions[name].push(version);
  }
  for (const name of Object.keys(versions)) versions[name] = [...new Set(versions[name])].sort(compareVersions);
  const libraries = [...text.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, library]) => library);
  return { versions, libraries };
}

/** Of `objdump -p`: the libraries that must be there. */
export function needsOfPe(text) {
  return { versions: {}, libraries: [...text.matchAll(/DLL Name: (\S+)/g)].map(([, library]) => library) };
}

export function compareVersions(a, b) {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** What a released addon of this target may not ask for, of what it does. */
export function excessOf(target, text) {
  if (target.startsWith('win32')) {
    if (!/file format pei-x86-64/.test(text)) return ['another processor'];
    return needsOfPe(text).libraries.filter((library) => !WINDOWS_HAS.includes(library.toLowerCase()));
  }
  if (!MACHINES[target.split('-')[1]].test(text)) return ['another processor'];
  const { versions, libraries } = needsOfElf(text);
  return [
    ...(versions.GLIBC ?? []).filter((version) => compareVersions(version, OLDEST_GLIBC) > 0).map((v) => `GLIBC_${v}`),
    ...libraries.filter((library) => library.startsWith('libstdc++')),
    ...(/\((?:RPATH|RUNPATH)\)/.test(text) ? ['a folder of the machine that it was built on'] : []),
  ];
}
