import { type Activated, type ActivationName, activationOf } from '../layers/activations.js';
import { parseDecimal } from '../words/names.js';

/** A class of torch as Python prints it. */
const CLASS = /^<class '([\w.]+)'>$/;
/** Where activations are found in torch and Keras; elsewhere a name may mean another function (`jax.nn.gelu`). */
const MODULE =
  /^(?:(?:torch\.)?nn\.(?:functional\.|modules\.activation\.)?|torch\.|F\.|(?:tf\.)?keras\.activations\.|tf\.nn\.)/;
/** A name, and what a module was made with: `LeakyReLU(negative_slope=0.2)`. */
const CALL = /^([a-z][\w -]*?)\s*(?:\(([^()]*)\))?$/i;

/** Gated blocks by the name of the whole. */
const GATED: Readonly<Record<string, ActivationName>> = {
  glu: 'sigmoid',
  swiglu: 'silu',
  geglu: 'gelu',
  reglu: 'relu',
  bilinear: 'identity',
};

/** What a text may be that `statedActivation` reads. */
export const ACTIVATION_IN_WORDS = '"none" or the name of an activation, such as "relu" or "leaky_relu(0.2)"';

/**
 * The activation that a text states: a name of any spelling, the same with a slope as in `leaky_relu(0.2)`, or what
 * torch prints for a module or a class. Undefined for any other text.
 */
export function statedActivation(text: string): Activated | undefined {
  const [, name = '', made = ''] = CALL.exec((CLASS.exec(text)?.[1] ?? text).replace(MODULE, '')) ?? [];
  let [activation, slope]: [string, number | null] = [name, null];
  for (const argument of made.split(',').map((part) => part.replace(/\s/g, ''))) {
    const [, key = '', value] = /^(?:(\w+)=)?(.*)$/.exec(argument) as RegExpExecArray;
    if (/^['"]tanh['"]$/.test(value) && key === 'approximate') activation = `${name} tanh`;
    else if (['', 'negative_slope', 'alpha'].includes(key) && value !== '') slope = parseDecimal(value) ?? Number.NaN;
    else if (!['', 'inplace', 'approximate'].includes(key)) return undefined;
  }
  if (Number.isNaN(slope)) return undefined;
  try {
    const found = activationOf({ activation, slope });
    const usual = activationOf({ activation, slope: null }).slope;
    return { activation: found.name, slope: found.slope === usual ? null : found.slope };
  } catch {
    return undefined;
  }
}

/** The same for a gated block, which may be named as a whole: `swiglu`. */
export function statedGate(text: string): Activated | undefined {
  const whole = text.toLowerCase().replace(/[\s_-]/g, '');
  return Object.hasOwn(GATED, whole) ? { activation: GATED[whole], slope: null } : statedActivation(text);
}
