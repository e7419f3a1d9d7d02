import type { Ability } from '../backend/ability.js';
import type { AbilityName, Backend, BackendName } from '../backend/backend.js';
import { ABILITY_NAMES, type BackendFor, type Faults, faultIn, refusal, type Task } from '../backend/task.js';
import { asWanted } from '../backend/tf32.js';
import type { Work } from '../backend/work.js';
import { TensimError } from '../errors.js';
import { valueText } from '../words/quoting.js';
import { loadAddon } from './addon.js';
import { findLibrary } from './cuda/library.js';
import type { Details, Loaded } from './loaded.js';
import { loadNative } from './native.js';

/** What an ability can be asked for, as lists; what it does not tell is left out. */
export type AbilityReport = Readonly<Record<string, readonly string[]>>;

/** One line of `tensim doctor`. */
export interface BackendReport {
  /** Which backend. */
  readonly name: BackendName;
  /** Whether it can compute here. */
  readonly available: boolean;
  /** Why it is not available; null if it is. */
  readonly reason: string | null;
  /** Whether `'auto'` means this one, the environment variable TENSIM_BACKEND considered. */
  readonly selected: boolean;
  /** What is known about it: instruction set, threads, versions. */
  readonly details: Details;
  /** What it can do, less what turned out wrong when it was tried; nothing where it is not available. */
  readonly abilities: Readonly<Partial<Record<AbilityName, AbilityReport>>>;
}

interface Machine {
  readonly name: BackendName;
  /** Whether `auto` takes the first of these that can do a task; others only where they are expected to be quicker. */
  readonly unasked: boolean;
  load(): Loaded | Promise<Loaded>;
}

/** In the order in which they are asked. */
const MACHINES: readonly Machine[] = [
  { name: 'native', unasked: true, load: loadNative },
  // Much to compile, and for nothing where the addon does all.
  { name: 'cuda', unasked: false, load: async () => (await import('./cuda/backend.js')).loadCuda() },
  { name: 'fallback', unasked: true, load: async () => (await import('./fallback.js')).loadFallback() },
];
const NAMES = MACHINES.map(({ name }) => name);
const VARIABLE = 'TENSIM_BACKEND';

/**
 * The backend to compute a task with: the first that can do it of native and the fallback, or the one that is asked
 * for. `'auto'` follows the environment variable TENSIM_BACKEND if it is set to a name; a name given here goes before
 * the variable. The CUDA backend must be named here, and is tried out at its first use.
 *
 *     const backend = await selectBackend('auto', { grams: { method: 'closure', kinds: kindsOf(models), dtype } });
 *     await backend.grams.prepare(…);
 *
 * @throws TensimError (rejects) `BACKEND_UNAVAILABLE` with the reason for a backend asked for by name that is not there
 * or lacks something, or with the reasons of all; `INVALID_ARGUMENT` for what names no backend; the signal's reason.
 */
export async function selectBackend<const Wanted extends Task>(
  requested: 'auto' | BackendName | undefined,
  task: Wanted,
  signal?: AbortSignal,
): Promise<BackendFor<Wanted>> {
  return (await takeBackend(requested, task, signal)).backend;
}

/** A backend that is there and was not taken. */
export interface PassedOver {
  /** Which one. */
  readonly name: BackendName;
  /** In one line: what it lacks, or what was expected of it. */
  readonly reason: string;
}

/** A backend for a task, and those that were passed over for it, each with the reason. */
export interface Taken<Wanted extends Task> {
  readonly backend: BackendFor<Wanted>;
  readonly passedOver: readonly PassedOver[];
}

/**
 * `selectBackend`, and the machines that are there and were passed over: what they lack, or what was expected of them.
 * Why others are not there, `backends` tells. Of a task whose `work` is told, `'auto'` takes the CUDA backend where
 * that is expected to be done sooner (cuda/choice.ts).
 * @throws TensimError (rejects) as `selectBackend`.
 */
export async function takeBackend<const Wanted extends Task>(
  requested: 'auto' | BackendName | undefined,
  task: Wanted,
  signal?: AbortSignal,
  work?: () => Work,
): Promise<Taken<Wanted>> {
  const first = await takeFirst(requested, task, signal);
  const native = loadNative();
  if (work === undefined || !dependsOnWork(requested) || 'reason' in native || first.backend.name !== 'native')
    return first;
  const { weighCuda } = await import('./cuda/choice.js');
  const verdict = await weighCuda(task, work, native.backend, signal);
  if (verdict === undefined) return first;
  if ('whyNot' in verdict)
    return { ...first, passedOver: [...first.passedOver, { name: 'cuda', reason: verdict.whyNot }] };
  return {
    backend: asWanted<Backend>(verdict.backend, task) as BackendFor<Wanted>,
    passedOver: [...first.passedOver, { name: 'native', reason: verdict.why }],
  };
}

/** Whether two runs may take different backends: none is asked for by name, here or by the environment, and there is one
 * that takes large work only. */
export function dependsOnWork(requested: 'auto' | BackendName | undefined): boolean {
  if (requestOf(requested).byName !== undefined) return false;
  const addon = loadAddon();
  return 'path' in addon && 'library' in findLibrary(addon.path);
}

async function takeFirst<const Wanted extends Task>(
  requested: 'auto' | BackendName | undefined,
  task: Wanted,
  signal?: AbortSignal,
): Promise<Taken<Wanted>> {
  const request = requestOf(requested);
  const refused: (PassedOver & { readonly isThere: boolean })[] = [];
  for (const { name, load } of askedBy(request)) {
    const found = await load();
    const reason = lackOf(found, task) ?? (await faultOf(found, task, signal));
    if (reason === null) {
      const passedOver = refused.filter(({ isThere }) => isThere).map(({ name, reason }) => ({ name, reason }));
      const { backend } = found as Extract<Loaded, { backend: Backend }>;
      return { backend: asWanted(backend, task) as BackendFor<Wanted>, passedOver };
    }
    refused.push({ name, reason, isThere: 'backend' in found });
  }
  throw unavailable(request, refused);
}

/** Why a machine cannot do a task, as far as that can be told without trying it out. */
export const lackOf = (found: Loaded, task: Task): string | null =>
  'reason' in found ? found.reason : refusal(found.backend, task);

async function faultOf(found: Loaded, task: Task, signal: AbortSignal | undefined): Promise<string | null> {
  const tried = 'backend' in found ? await found.tryOut?.(signal) : undefined;
  if (tried === undefined) return null;
  return 'reason' in tried ? tried.reason : faultIn(tried.faults, task);
}

/**
 * Every backend there could be: available, or the reason why not.
 *
 *     const { name } = (await backends()).find(({ selected }) => selected);
 *
 * @throws TensimError (rejects) `INVALID_ARGUMENT` if TENSIM_BACKEND names no backend.
 */
export async function backends(): Promise<readonly BackendReport[]> {
  const request = requestOf('auto');
  const found = await Promise.all(MACHINES.map(async (machine) => ({ ...machine, loaded: await machine.load() })));
  const chosen = request.byName ?? found.find(({ unasked, loaded }) => unasked && 'backend' in loaded)?.name;
  return Promise.all(found.map(({ name, loaded }) => reportOf(name, loaded, name === chosen)));
}

async function reportOf(name: BackendName, found: Loaded, chosen: boolean): Promise<BackendReport> {
  const known = 'backend' in found ? ((await found.tryOut?.()) ?? found) : found;
  if ('reason' in found || 'reason' in known) {
    const { reason } = known as { readonly reason: string };
    return { name, available: false, reason, selected: false, details: {}, abilities: {} };
  }
  const faults = 'faults' in known ? known.faults : {};
  const abilities = abilitiesOf(found.backend, faults);
  return { name, available: true, reason: null, selected: chosen, details: known.details, abilities };
}

/** Which backend is wanted, and who says so. */
export interface Request {
  /** Absent: the first that can do the task. */
  readonly byName: BackendName | undefined;
  readonly byEnvironment: boolean;
}

/** @throws TensimError `INVALID_ARGUMENT` */
export function requestOf(requested: 'auto' | BackendName = 'auto'): Request {
  const byOption = checkName(requested, 'the option "backend"');
  if (byOption !== undefined) return { byName: byOption, byEnvironment: false };
  return {
    byName: checkName(process.env[VARIABLE] || 'auto', `the environment variable ${VARIABLE}`),
    byEnvironment: true,
  };
}

function checkName(name: string, source: string): BackendName | undefined {
  if (name === 'auto') return undefined;
  const found = NAMES.find((known) => known === name);
  if (found !== undefined) return found;
  throw new TensimError('INVALID_ARGUMENT', `${source} is ${valueText(name)}`, {
    hint: `It may be one of auto, ${NAMES.join(', ')}`,
  });
}

/** The machines that may be asked, in order. */
export function askedBy({ byName }: Request): readonly Machine[] {
  return MACHINES.filter(({ name, unasked }) => (byName === undefined ? unasked : name === byName));
}

export function unavailable({ byName, byEnvironment }: Request, refused: readonly PassedOver[]): TensimError {
  if (byName === undefined) {
    const reasons = refused.map(({ name, reason }) => `${name}: ${reason}`);
    return new TensimError('BACKEND_UNAVAILABLE', `no backend can do this: ${reasons.join('; ')}`, {
      hint: '"tensim doctor" tells what each of them can do',
    });
  }
  const [{ reason }] = refused;
  return new TensimError('BACKEND_UNAVAILABLE', `the backend "${byName}" is not available: ${reason}`, {
    hint: byEnvironment
      ? `It is asked for by the environment variable ${VARIABLE}; unset it to take the best there is`
      : 'The backend "auto" takes the best there is',
  });
}

function abilitiesOf(backend: Backend, faults: Faults): BackendReport['abilities'] {
  const present = ABILITY_NAMES.filter((name) => backend[name] !== undefined && faults[name] === undefined);
  return Object.fromEntries(present.map((name) => [name, listsOf(backend[name]!, faults)]));
}

/** Methods that turned out wrong are in no list. */
function listsOf(ability: Ability, faults: Faults): AbilityReport {
  const entries: [string, unknown][] = Object.entries(ability);
  return Object.fromEntries(
    entries.flatMap(([name, value]) =>
      value instanceof Set || value instanceof Map ? [[name, [...value.keys()].filter((key) => !(key in faults))]] : [],
    ),
  );
}
