// What an addon asks of the machine that loads it: from what the tools of binutils tell of the file, and for macOS from
// what macho.mjs does.

/** Every machine with a Node that tensim runs on has a glibc of 2.28 or newer; the toolchains reach further back. */
export const OLDEST_GLIBC = '2.17';
export const OLDEST_MACOS = '11.0';

const WINDOWS_HAS = ['kernel32.dll', 'msvcrt.dll'];
/**
 * musl takes every library of a name that begins with `libc.` for itself (ldso/dynlink.c, load_library): libc.so, as Zig
 * says, and libc.musl-x86_64.so.1, as Alpine does. A Node for musl brings the other two.
 */
const MUSL_HAS = /^(libc\.so|libc\.musl-\w+\.so\.1|libstdc\+\+\.so\.6|libgcc_s\.so\.1)$/;
const MACOS_HAS = ['/usr/lib/libSystem.B.dylib', '/usr/lib/libc++.1.dylib'];
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

/**
 * What a released addon of this target may not ask for, of what it does.
 * @param text what the tools print; for macOS what readMachO returns
 */
export function excessOf(target, text) {
  if (target.startsWith('darwin')) return excessOfMachO(target, text);
  if (target.startsWith('win32')) {
    if (!/file format pei-x86-64/.test(text)) return ['another processor'];
    return needsOfPe(text).libraries.filter((library) => !WINDOWS_HAS.includes(library.toLowerCase()));
  }
  if (!MACHINES[target.split('-')[1]].test(text)) return ['another processor'];
  const { versions, libraries } = needsOfElf(text);
  const folders = /\((?:RPATH|RUNPATH)\)/.test(text) ? ['a folder of the machine that it was built on'] : [];
  if (target.endsWith('-musl'))
    return [...Object.keys(versions), ...libraries.filter((library) => !MUSL_HAS.test(library)), ...folders];
  return [
    ...(versions.GLIBC ?? []).filter((version) => compareVersions(version, OLDEST_GLIBC) > 0).map((v) => `GLIBC_${v}`),
    ...libraries.filter((library) => library.startsWith('libstdc++')),
    ...folders,
  ];
}

/** Node-API is in the program that loads the addon. Whatever else no library has would fail when it is called. */
function excessOfMachO(target, { processor, oldest, libraries, folders, signed, fromHost }) {
  if (processor !== target.split('-')[1]) return ['another processor'];
  return [
    ...(oldest === undefined || compareVersions(oldest, OLDEST_MACOS) > 0 ? [`macOS ${oldest}`] : []),
    ...libraries.filter((library) => !MACOS_HAS.includes(library)),
    ...folders,
    ...(processor === 'arm64' && !signed ? ['no signature to be looked at'] : []),
    ...fromHost.filter((name) => !/^_(napi|node_api)_/.test(name)),
  ];
}
