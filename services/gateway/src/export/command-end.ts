// How a command ended, in words, from the `data` of its command.ended.

export function commandEnd(data: Readonly<Record<string, unknown>>): string {
  const { outcome, exitCode, reason } = data;
  if (outcome === 'exited') return `exited with ${Number(exitCode ?? 0)}`;
  const why = typeof reason === 'string' && /^[\w .-]{1,100}$/.test(reason) ? `: ${reason}` : '';
  return `${String(outcome ?? 'ended')}${why}`;
}

/** " after 1.2 s"; nothing where it is not known. */
export function commandDuration({ startedAt, endedAt }: Readonly<Record<string, unknown>>): string {
  const ms = Date.parse(String(endedAt)) - Date.parse(String(startedAt));
  return ms >= 0 ? ` after ${(ms / 1_000).toFixed(1)} s` : '';
}
