// What a program on the host is told of the runner's own environment: where programs are and how to reach the network. Nothing else, for
// the rest holds the cluster's secrets.

const passedOn = ['PATH', 'SSL_CERT_FILE', 'GIT_SSL_CAINFO', 'http_proxy', 'https_proxy', 'no_proxy', 'all_proxy'];

/** `own` is what the program is told beside that, or instead. */
export function programEnvironment(own: Record<string, string>): Record<string, string> {
  const entries = passedOn.map((name) => [name, process.env[name]]).filter(([, value]) => value !== undefined);
  return { ...(Object.fromEntries(entries) as Record<string, string>), ...own };
}
