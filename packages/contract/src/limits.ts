// Bounds that more than one service must agree on. Units stand last in the names.

export const limits = {
  commandBytesMax: 128 * 1024,
  /** Inline stdin of a new command. */
  stdinInlineBytesMax: 64 * 1024,
  stdinRequestBytesMax: 16 * 1024 * 1024,
  /** One control request to a runner; below the NATS payload limit. */
  stdinChunkBytesMax: 512 * 1024,
  jsonBodyBytesMax: 1024 * 1024,
  nameLengthMax: 200,
  descriptionLengthMax: 20_000,
  labelsMax: 32,
  envVariablesMax: 256,
  envValueBytesMax: 32 * 1024,
  envTotalBytesMax: 96 * 1024,
  setupCommandsMax: 64,
  packagesMax: 200,
  /** A project's environment as JSON: all of its setup commands, variables, packages. */
  environmentBytesMax: 128 * 1024,
  /** What a session starts with as JSON: the environment, its own variables and labels. Each of its live commands carries it. */
  sessionSpecBytesMax: 160 * 1024,
  /** What a trial starts with as JSON: all commands, and what each of its sessions starts with. Below Temporal's 2 MiB. */
  trialSpecBytesMax: 1536 * 1024,
  requiredChecksBytesMax: 256 * 1024,
  attemptsMax: 16,
  attemptCommandsMax: 200,
  liveCommandsMax: 16,
  queuedCommandsMax: 200,
  commandTimeoutSecondsMax: 7 * 24 * 3600,
  waitSecondsMax: 300,
  pageDefault: 50,
  pageMax: 200,
  /** Output given with a waited command: its tail. */
  outputTailBytes: 64 * 1024,
  outputReadBytesMax: 8 * 1024 * 1024,
  /** Further no output reaches, and no number of JSON is exact. */
  outputOffsetMax: 2 ** 52,
  outputBytesMaxDefault: 1024 * 1024 * 1024,
  /** Of a command whose output is above its limit and that goes on (`keep_tail`): how much of its end is kept. */
  outputTailKeptBytesMax: 1024 * 1024,
  /** Coalescing of output into events. With its envelope below the NATS payload limit, and of the journal's answers to a hole. */
  outputEventBytesMax: 64 * 1024,
  outputEventDelayMs: 50,
  cancelGraceSecondsDefault: 5,
} as const;
