/** The plan of a cluster with a model for messages that name none: the operator's, one that is chosen, or the scripted one, started. */
import type { ClusterPlan } from '../cluster-plan.ts';
import { chooseModel, type ModelChoice, SCRIPTED_MODEL } from './model-choice.ts';
import { startScriptedModel } from './scripted-model.ts';
import { listServedModels } from './served-models.ts';

export async function withModel(
  plan: ClusterPlan,
  atEnd: (stop: () => Promise<void>) => void,
): Promise<{ plan: ClusterPlan; model: ModelChoice }> {
  const { env, model: said } = plan;
  const served =
    said.url === null || said.default !== null ? [] : await listServedModels(said.url, env.WORKTRAIL_MODEL_KEY);
  const model = chooseModel(env, said, served);
  const withVariables = (variables: NodeJS.ProcessEnv) => ({ plan: { ...plan, env: { ...env, ...variables } }, model });
  if (model.kind === 'chosen') return withVariables({ WORKTRAIL_MODEL_DEFAULT: model.name });
  if (model.kind !== 'scripted') return { plan, model };
  const { url, stop } = await startScriptedModel();
  atEnd(stop);
  return withVariables({ WORKTRAIL_MODEL_URL: url, WORKTRAIL_MODEL_DEFAULT: SCRIPTED_MODEL });
}
