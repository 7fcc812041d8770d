// The environment of a session's sandbox: the project's, with every default filled in, as a session starts with it.

export interface Environment {
  /** null: the operator's base image. */
  image: string | null;
  packages: string[];
  /** A secret stands here by name only; its value never passes through a workflow. */
  env: Record<string, string | { secret: string }>;
  setup: string[];
  persist: string[];
  network: { mode: 'none' | 'restricted' | 'open'; allow: string[] };
  runtime: 'runc' | 'runsc';
  runnerLabels: Record<string, string>;
  resources: {
    cpus: number;
    memoryMb: number;
    pids: number;
    outputBytesMax: number;
    /** What becomes of a command above `outputBytesMax`: it is ended, which is the default, or goes on and its end is kept. */
    outputOverflow?: 'end' | 'keep_tail';
  };
}

export interface RepositoryRef {
  url: string;
  defaultBranch: string;
}
