// How an agent is started, and what it speaks: a file each below profiles/.

export interface AgentStart {
  /** With sh in the work tree. */
  command: string;
  env: Record<string, string>;
  /** Small ones, by name; in `agentFilesPath` once it starts. */
  files: Record<string, string>;
}

/** What a command of the sandbox would find in its environment. */
export type SandboxVariables = Readonly<Record<string, string | undefined>>;

export interface AgentProfile {
  speaks: 'acp' | 'codex_json';
  /** Whether it is offered that files are read and written for it. */
  offersFiles: boolean;
  /** Whether it is offered that commands are run for it. */
  offersTerminals: boolean;
  /** Whether it asks before it uses a tool. One that does not may only be had where all is allowed. */
  asks: boolean;
  /** For people: what is to be done where its command is not found. */
  missing: string;
  /** `resume`: its conversation of before, where that is named by the command line. */
  start(agent: { model: string; command: string }, variables: SandboxVariables, resume: string | null): AgentStart;
}

export const agentFilesPath = '/tmp/worktrail-agent';

/** In sh. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A command that writes the files, and then becomes the agent. */
export function startScript({ command, files }: AgentStart): string {
  const names = Object.keys(files);
  if (names.length === 0) return command;
  const writes = names.map((name) => `printf %s ${quoted(files[name]!)} > ${quoted(`${agentFilesPath}/${name}`)}`);
  return [`mkdir -p ${agentFilesPath}`, ...writes, command].join('\n');
}
