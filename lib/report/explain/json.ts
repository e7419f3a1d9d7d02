import type { Direction, Explanation, FormExplanation, LinearDirection } from '../../similarity/explain/types.js';
import { SCHEMAS } from '../schemas.js';

/** An explanation as plain data, the contract `tensim.explain/1`; vectors are lists of numbers over the inputs. */
export function explanationJson(found: Explanation): Record<string, unknown> {
  return { schema: SCHEMAS.explain, ...(found.kind === 'forms' ? formsJson(found) : found) };
}

function formsJson({ shares, joint, outputs, ...about }: FormExplanation): Record<string, unknown> {
  return {
    ...about,
    shares: [...shares],
    joint: {
      directions: joint.directions.map(directionJson),
      energy: [...joint.energy],
      ...(joint.linear && { linear: joint.linear.map(linearJson) }),
    },
    outputs: outputs.map(({ directions, linear, ...output }) => ({
      ...output,
      directions: directions.map(directionJson),
      linear: linear && [...linear],
    })),
  };
}

function directionJson({ value, share, vector }: Direction): Record<string, unknown> {
  return { value, share, vector: [...vector] };
}

function linearJson({ outputs, ...direction }: LinearDirection): Record<string, unknown> {
  return { ...directionJson(direction), outputs: [...outputs] };
}
