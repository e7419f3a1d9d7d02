import { describe, expect, it } from 'vitest';
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
});
