import { cpus } from 'node:os';
import type { Command } from 'commander';
import { type BackendReport, backends } from '../machines/select.js';
import { processors } from '../processors.js';
import { SCHEMAS } from '../report/schemas.js';
import { version } from '../version.js';
import { plural } from '../words/counts.js';
import { jsonText, oneLine } from '../words/quoting.js';
import { ABOUT } from './about.js';
import { EXIT } from './exit.js';
import { type Io, print, table } from './io.js';

const NOTES = `
The exit code is 1 if TENSIM_BACKEND asks for a backend that is not available.`;

/** What `tensim doctor` finds out; with the schema in front the contract `tensim.doctor/1`. */
interface Diagnosis {
  readonly version: string;
  readonly node: string;
  readonly platform: string;
  readonly arch: string;
  readonly cpu: string;
  /** As many as the process may use. */
  readonly processors: number;
  /** The backend that is used when none is asked for, or null if TENSIM_BACKEND asks for one that is not available. */
  readonly selected: string | null;
  readonly backends: readonly BackendReport[];
}

/** `tensim doctor` */
export function addDoctor(program: Command, io: Io, exit: { code: number }): void {
  program
    .command('doctor')
    .description(ABOUT.doctor.does)
    .option('--json', 'print JSON')
    .addHelpText('after', NOTES)
    .action(async ({ json }: { json?: boolean }) => {
      const diagnosis = diagnose(await backends());
      await print(io, [json ? `${jsonText({ schema: SCHEMAS.doctor, ...diagnosis })}\n` : doctorText(diagnosis)]);
      if (diagnosis.selected === null) exit.code = EXIT.checkFailed;
    });
}

function diagnose(reports: readonly BackendReport[]): Diagnosis {
  return {
    version,
    node: process.versions.node,
    platform: process.platform,
    arch: process.arch,
    cpu: cpus()[0]?.model.trim() || 'unknown',
    processors: processors(),
    selected: reports.find(({ selected }) => selected)?.name ?? null,
    backends: reports.map(({ name, available, selected, reason, details, abilities }) => ({
      name,
      available,
      selected,
      reason,
      details,
      abilities,
    })),
  };
}

function doctorText({ backends: reports, selected, ...machine }: Diagnosis): string {
  const { node, platform, arch, cpu, processors } = machine;
  const facts = table([
    ['node', node],
    ['platform', `${platform} ${arch}`],
    ['cpu', `${cpu}, ${processors} ${plural(processors, 'processor')} usable`],
  ]);
  const sections = reports.map(({ name, available, selected: chosen, reason, details, abilities }) => {
    const state = available ? `available${chosen ? ', selected' : ''}` : `not available: ${oneLine(reason ?? '')}`;
    const known = available ? [...Object.entries(details), ['abilities', Object.keys(abilities).join(', ')]] : [];
    return `${name}: ${state}\n${table(known.map(([key, value]) => [`${key}`, `${value}`]))}`;
  });
  const verdict =
    selected === null ? 'TENSIM_BACKEND asks for a backend that is not available: every comparison will fail\n' : '';
  return `tensim ${machine.version}\n${facts}${sections.join('')}${verdict}`;
}
