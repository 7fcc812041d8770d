export declare function supervisorSources(except?: string[]): Promise<string[]>;
export declare function supervisorSourceHash(): Promise<string>;
export declare function buildSupervisor(options: {
  outputPath: string;
  cc?: string;
}): Promise<{ outputPath: string; compiler: string; built: boolean; hash: string }>;
