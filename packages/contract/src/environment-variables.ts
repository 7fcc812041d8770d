// Environment variables that more than one process must spell alike.

/** Set inside every command of a sandbox. */
export const sandboxVariables = {
  sessionId: 'WORKTRAIL_SESSION_ID',
  commandId: 'WORKTRAIL_COMMAND_ID',
} as const;

export const workspacePath = '/workspace';
export const homePath = '/home/worktrail';
