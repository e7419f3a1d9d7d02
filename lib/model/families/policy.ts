import type { Tensors } from '../blueprint.js';
import type { Everyday } from './everyday.js';
import { chainOf } from './mlp.js';
import { isLinear, type Module, modulesOf } from './modules.js';

/** The networks of stable-baselines3's actor and critic, and what is learned beside them. */
const BODY = /^mlp_extractor\.policy_net\.(\d+)\.(?:weight|bias)$/;
const HEAD = /^action_net\.(?:weight|bias)$/;
const BESIDE = /^(?:mlp_extractor\.value_net\.\d+\.(?:weight|bias)|value_net\.(?:weight|bias)|log_std)$/;

/**
 * The policy of an actor and critic of stable-baselines3, `mlp_extractor.policy_net.{i}` and `action_net`: from an
 * observation to logits or mean actions. The critic is weights beside it, which only `weights` compares. Its activation is the setting
 * `activation`, tanh unless its maker chose another.
 */
export const policy: Everyday = (tensors, settings) => {
  if (![...tensors.keys()].every((name) => BODY.test(name) || HEAD.test(name) || BESIDE.test(name))) return undefined;
  const actor: Tensors = new Map([...tensors].filter(([name]) => !BESIDE.test(name)));
  const modules = modulesOf(actor).map(inOrder);
  if (actor.size === tensors.size || !modules.some(({ path }) => path[0] === 'out') || !modules.every(isLinear))
    return undefined;
  const found = chainOf(modules, settings);
  const beside = [...tensors.keys()].filter((name) => BESIDE.test(name));
  return found && { ...found, family: 'policy', beside };
};

/** Body and head by names that say their order. */
const inOrder = (module: Module): Module => {
  const [first, , number] = module.path;
  return { ...module, path: first === 'action_net' ? ['out'] : ['layers', number] };
};
