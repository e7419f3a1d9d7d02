/**
 * The names under which programs keep how far a training is, in the order in which they are believed; an epoch is many
 * steps.
 */
export const STEP_NAMES = [
  'step',
  'global_step',
  'global_steps',
  'iter_num',
  'iteration',
  'iterations',
  'iter',
  'train_step',
  'training_step',
  'steps',
  'num_updates',
  'epoch',
  'current_epoch',
] as const;

const NAMES: ReadonlySet<string> = new Set(STEP_NAMES);

/** Whether a name says how far a training is. */
export const isStepName = (name: string): boolean => NAMES.has(name);
