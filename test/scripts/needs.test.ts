import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
// @ts-expect-error: a script without declarations
import { readMachO } from '../../scripts/macho.mjs';
// @ts-expect-error: a script without declarations
import { compareVersions, excessOf, needsOfElf, needsOfPe } from '../../scripts/needs.mjs';

const ELF = `ELF Header:
  Machine:                           AArch64

Dynamic section at offset 0x1a5b08 contains 31 entries:
 0x0000000000000001 (NEEDED)             Shared library: [libm.so.6]
 0x0000000000000001 (NEEDED)             Shared library: [libgcc_s.so.1]
 0x000000000000000e (SONAME)             Library soname: [tensim.node]

Version definition section '.gnu.version_d' contains 1 entry:
  000000: Rev: 1  Flags: BASE  Index: 1  Cnt: 1  Name: TENSIM_9.9

Version needs section '.gnu.version_r' contains 2 entries:
 Addr: 0x0000000000005ee0  Offset: 0x00005ee0  Link: 5 (.dynstr)
  000000: Version: 1  File: libgcc_s.so.1  Cnt: 1
  0x0010:   Name: GCC_3.0  Flags: none  Version: 8
  0x0020: Version: 1  File: libm.so.6  Cnt: 3
  0x0030:   Name: GLIBC_2.17  Flags: none  Version: 6
  0x0040:   Name: GLIBC_2.2.5  Flags: none  Version: 4
  0x0050:   Name: GLIBC_2.17  Flags: none  Version: 3
`;

describe('what an addon asks of a machine', () => {
  it('is read from its versions and libraries', () => {
    expect(needsOfElf(ELF)).toEqual({
      versions: { GCC: ['3.0'], GLIBC: ['2.2.5', '2.17'] },
      libraries: ['libm.so.6', 'libgcc_s.so.1'],
    });
    expect(needsOfPe('\tDLL Name: KERNEL32.dll\n\tvma: x\n\tDLL Name: msvcrt.dll\n').libraries).toEqual([
      'KERNEL32.dll',
      'msvcrt.dll',
    ]);
    expect(['2.2.5', '2.17', '2.3'].sort(compareVersions)).toEqual(['2.2.5', '2.3', '2.17']);
  });

  it('is refused where it is too new, for another processor, or of the machine that built it', () => {
    expect(excessOf('linux-arm64', ELF)).toEqual([]);
    expect(excessOf('linux-x64', ELF)).toEqual(['another processor']);
    expect(excessOf('linux-arm64', ELF.replaceAll('GLIBC_2.17', 'GLIBC_2.34'))).toEqual(['GLIBC_2.34']);
    expect(excessOf('linux-arm64', ELF.replace('libm.so.6]', 'libstdc++.so.6]'))).toEqual(['libstdc++.so.6']);
    expect(excessOf('linux-arm64', `${ELF} (RUNPATH) [/home/me]`)).toHaveLength(1);
    const pe = 'tensim.node:     file format pei-x86-64\n\tDLL Name: KERNEL32.dll\n';
    expect(excessOf('win32-x64', pe)).toEqual([]);
    expect(excessOf('win32-x64', `${pe}\tDLL Name: libstdc++-6.dll\n`)).toEqual(['libstdc++-6.dll']);
    expect(excessOf('win32-x64', pe.replace('pei-x86-64', 'pei-i386'))).toEqual(['another processor']);
  });

  it('is refused with musl where it asks for glibc, or for what Node has not brought', () => {
    const musl = `  Machine:  Advanced Micro Devices X86-64\n 0x1 (NEEDED)  Shared library: [libc.so]\n`;
    expect(needsOfElf(musl)).toEqual({ versions: {}, libraries: ['libc.so'] });
    expect(excessOf('linux-x64-musl', musl)).toEqual([]);
    expect(excessOf('linux-x64-musl', musl.replace('libc.so', 'libc.musl-x86_64.so.1'))).toEqual([]);
    expect(excessOf('linux-arm64-musl', musl)).toEqual(['another processor']);
    expect(excessOf('linux-x64-musl', musl.replace('libc.so', 'libc.so.6'))).toEqual(['libc.so.6']);
    expect(excessOf('linux-x64-musl', ELF.replace('AArch64', 'Advanced Micro Devices X86-64'))).toContain('GLIBC');
  });
});

/** The file of a library for macOS: its header, load commands, and a symbol table of undefined symbols. */
function machO({
  processor = 0x0100000c,
  oldest = 11,
  libraries = ['/usr/lib/libSystem.B.dylib'],
  name = '@rpath/tensim.node',
  signed = true,
  fromHost = ['_napi_create_array'],
  place = 0xfe,
} = {}) {
  const words = (...values: number[]) => {
    const bytes = Buffer.alloc(4 * values.length);
    values.forEach((value, i) => {
      bytes.writeUInt32LE(value >>> 0, 4 * i);
    });
    return bytes;
  };
  const padded = (text: string) => Buffer.from(text.padEnd(8 * Math.ceil((text.length + 1) / 8), '\0'));
  const named = (command: number, text: string) =>
    Buffer.concat([words(command, 24 + padded(text).length, 24, 2, 0, 0), padded(text)]);
  const commands = [
    named(0xd, name),
    words(0x32, 24, 1, oldest << 16, 0, 0),
    ...libraries.map((library) => named(0xc, library)),
  ];
  const symbols = 32 + Buffer.concat(commands).length + 24 + 16;
  const strings = symbols + 16 * (fromHost.length + 1);
  const text = ['', '_malloc', ...fromHost, ''].join('\0');
  // n_strx, then n_type (external, undefined), n_sect, n_desc with the library in its upper half: the first, or any image.
  const entries = ['_malloc', ...fromHost].map((symbol, i) =>
    words(text.indexOf(`\0${symbol}\0`) + 1, 0x01 | ((i === 0 ? 0x01 : place) << 24), 0, 0),
  );
  const unsigned = Buffer.concat([
    words(0xfeedfacf, processor, 0, 6, commands.length + 2, 0, 0, 0),
    ...commands,
    words(0x2, 24, symbols, entries.length, strings, text.length),
    signed ? words(0x1d, 16, strings + text.length, 0) : words(0x1b, 16, 0, 0),
    ...entries,
    Buffer.from(text),
  ]);
  return signed ? Buffer.concat([unsigned, signatureOf(unsigned)]) : unsigned;
}

/** With pages of 64 bytes, each under its SHA-256. */
function signatureOf(bytes: Buffer): Buffer {
  const pages = Array.from({ length: Math.ceil(bytes.length / 64) }, (_, i) => bytes.subarray(64 * i, 64 * (i + 1)));
  const directory = Buffer.alloc(44);
  for (const [at, value] of [
    [16, 44],
    [28, pages.length],
    [32, bytes.length],
  ] as const)
    directory.writeUInt32BE(value, at);
  directory.set([32, 2, 0, 6], 36);
  const head = Buffer.alloc(20);
  for (const [at, value] of [
    [0, 0xfade0cc0],
    [8, 1],
    [16, 20],
  ] as const)
    head.writeUInt32BE(value, at);
  return Buffer.concat([head, directory, ...pages.map((page) => createHash('sha256').update(page).digest())]);
}

describe('what an addon asks of macOS', () => {
  const excess = (options?: Parameters<typeof machO>[0]) => excessOf('darwin-arm64', readMachO(machO(options)));

  it('is read from its load commands', () => {
    expect(readMachO(machO())).toEqual({
      processor: 'arm64',
      oldest: '11.0',
      libraries: ['/usr/lib/libSystem.B.dylib'],
      folders: [],
      signed: true,
      fromHost: ['_napi_create_array'],
    });
    expect(() => readMachO(Buffer.from('\x7fELF'.padEnd(64)))).toThrow('Mach-O');
    expect(() => readMachO(machO().subarray(0, 40))).toThrow('beyond the file');
  });

  it('is refused where it is too new, unsigned, of the machine that built it, or asks for what nobody has', () => {
    expect(excess()).toEqual([]);
    expect(excess({ processor: 0x01000007 })).toEqual(['another processor']);
    expect(excess({ oldest: 12 })).toEqual(['macOS 12.0']);
    expect(excess({ libraries: ['/opt/homebrew/lib/libomp.dylib'] })).toEqual(['/opt/homebrew/lib/libomp.dylib']);
    expect(excess({ name: '/home/me/build/tensim.node' })).toEqual(['/home/me/build/tensim.node']);
    expect(excess({ signed: false })).toHaveLength(1);
    const stripped = machO();
    stripped.write('_free__', stripped.indexOf('_malloc'));
    expect(excessOf('darwin-arm64', readMachO(stripped))).toHaveLength(1);
    expect(excess({ fromHost: ['_napi_wrap', '_node_api_symbol_for', '_cblas_dgemm'] })).toEqual(['_cblas_dgemm']);
    expect(excess({ fromHost: ['_cblas_dgemm'], place: 0 })).toEqual(['_cblas_dgemm']);
    expect(excess({ fromHost: ['_cblas_dgemm'], place: 2 })).toEqual([]); // the second library has it
    const intel = readMachO(machO({ processor: 0x01000007, signed: false }));
    expect(excessOf('darwin-x64', intel)).toEqual([]);
  });
});
