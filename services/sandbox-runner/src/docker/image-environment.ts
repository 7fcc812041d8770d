// What every process in a sandbox finds in its environment before anything is added for it.

import { homePath } from '@worktrail/contract/environment-variables';

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The image's variables and what every process in a sandbox has. */
export function baseEnvironment(imageEnv: readonly string[]): Record<string, string> {
  const env: Record<string, string> = { PATH: defaultPath };
  for (const entry of imageEnv) {
    const equals = entry.indexOf('=');
    if (equals > 0) env[entry.slice(0, equals)] = entry.slice(equals + 1);
  }
  return { ...env, HOME: homePath, USER: 'worktrail', LOGNAME: 'worktrail' };
}
