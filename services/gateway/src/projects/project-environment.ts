// The environment of a project under the operator's defaults and ceilings.

import type { Environment } from '@worktrail/contract/environment';
import { effectiveEnvironment, type EnvironmentInput, type OperatorConfig } from '@worktrail/runtime/operator-config';
import { invalid } from '../problem.ts';

/** @throws validation_failed that names what the operator does not allow. */
export function environmentOf(operator: OperatorConfig, input: EnvironmentInput): Environment {
  const { environment, problems } = effectiveEnvironment(operator, input);
  if (problems.length === 0) return environment;
  throw invalid(...problems.map(({ path, message }) => ({ path: `environment.${path}`, message })));
}
