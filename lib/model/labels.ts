import { resolve, sep } from 'node:path';
import { largest } from '../extremes.js';
import { withoutEnding } from '../formats/endings.js';

/** The name of a file without folder and ending: `runs/a/step_10.safetensors` → `step_10`; of a folder its own name. */
export function labelOf(path: string): string {
  return shortened(path, 1);
}

/**
 * A label for each path: the file's name, preceded by as many folders as it takes to tell it from the others. Files of
 * one folder that differ in their ending only are labelled by the whole path.
 */
export function labelsOf(paths: readonly string[]): string[] {
  const deepest = largest(
    paths.map((path) => folders(path).length),
    0,
  );
  let labels = paths.map(labelOf);
  for (let depth = 2; depth <= deepest && clashes(labels, paths).size > 0; depth++) {
    const clashing = clashes(labels, paths);
    labels = labels.map((label, index) => (clashing.has(label) ? shortened(paths[index], depth) : label));
  }
  const clashing = clashes(labels, paths);
  return labels.map((label, index) => (clashing.has(label) ? paths[index] : label));
}

/** The labels that more than one file has. */
function clashes(labels: readonly string[], paths: readonly string[]): Set<string> {
  const owners = new Map<string, string>();
  const clashing = new Set<string>();
  for (const [index, label] of labels.entries()) {
    const path = resolve(paths[index]);
    if ((owners.get(label) ?? path) !== path) clashing.add(label);
    owners.set(label, path);
  }
  return clashing;
}

const folders = (path: string): string[] =>
  resolve(path)
    .split(sep)
    .filter((part) => part !== '');

function shortened(path: string, depth: number): string {
  const name = folders(path).slice(-depth).join('/');
  return withoutEnding(name) || name;
}
