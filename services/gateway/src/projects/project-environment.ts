// The environment of a project under the operator's defaults and ceilings.

import type { Environment } from '@worktrail/contract/environment';
import { limits } from '@worktrail/contract/limits';
import { effectiveEnvironment, type EnvironmentInput, type OperatorConfig } from '@worktrail/runtime/operator-config';
import { checkJsonSize } from '../json-size.ts';
import { invalid } from '../problem.ts';

/** @throws validation_failed that names what the operator does not allow, or what is too large in all. */
export function environmentOf(operator: OperatorConfig, input: EnvironmentInput): Environment {
  const { environment, problems } = effectiveEnvironment(operator, input);
  if (problems.length > 0) {
    throw invalid(...problems.map(({ path, message }) => ({ path: `environment.${path}`, message })));
  }
  checkJsonSize(environment, limits.environmentBytesMax, 'environment', 'holds');
  return environment;
}
