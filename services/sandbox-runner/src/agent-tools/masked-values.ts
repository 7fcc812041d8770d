// Values of secrets in what a tool tells, as many `*`: the agent, and the history, see of a file what they see of a command's output.

/** Shorter lines of a secret of several are text like any other. */
const lineLengthMin = 8;

/** `told`: plain JSON. A secret of several lines is masked line by line: they are told with their numbers. */
export function masked(told: unknown, secrets: readonly string[]): unknown {
  const lines = secrets.flatMap((secret) => secret.split(/\r?\n/).filter((line) => line.length >= lineLengthMin));
  const values = [...new Set([...secrets, ...lines])].filter(Boolean).toSorted((a, b) => b.length - a.length);
  return values.length === 0 ? told : maskedIn(told, values);
}

function maskedIn(told: unknown, values: readonly string[]): unknown {
  if (typeof told === 'string')
    return values.reduce((text, value) => text.replaceAll(value, '*'.repeat(value.length)), told);
  if (Array.isArray(told)) return told.map((one) => maskedIn(one, values));
  if (typeof told !== 'object' || told === null) return told;
  return Object.fromEntries(Object.entries(told).map(([name, one]) => [name, maskedIn(one, values)]));
}
