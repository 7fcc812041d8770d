// The APIs of repositories' hosts are reached as git reaches the repositories: by the same proxy, and trusting the same certificates.

import { readFileSync } from 'node:fs';
import * as http from 'node:http';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';

/** For this process, and its https alone. */
export function reachHostsAsGit(environment: NodeJS.ProcessEnv): void {
  const { https_proxy, no_proxy, GIT_SSL_CAINFO: certificates } = environment;
  if (https_proxy) setProxy({ https_proxy, ...(no_proxy && { no_proxy }) });
  if (certificates) {
    const own = readFileSync(certificates, 'utf8').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
    setDefaultCACertificates([...getCACertificates('default'), ...(own ?? [])]);
  }
}

/** Of Node since 24.14. */
const { setGlobalProxyFromEnv: setProxy } = http as unknown as {
  setGlobalProxyFromEnv(environment: Record<string, string>): void;
};
