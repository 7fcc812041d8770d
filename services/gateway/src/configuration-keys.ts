// Where documents stand in the configuration bucket. `…List` are the prefixes of the entries they are listed by.

export const organizationKey = (organizationId: string) => `organization.${organizationId}`;

export const principalList = (organizationId: string) => `principal.${organizationId}`;
export const principalKey = (organizationId: string, id: string) => `${principalList(organizationId)}.${id}`;

/** A key is found by its id alone: whose it is stands in it. */
export const apiKeyKey = (keyId: string) => `key.${keyId}`;
export const apiKeyList = (organizationId: string) => `keys-of.${organizationId}`;

export { projectKey } from '@worktrail/contract/subjects';
export const projectList = (organizationId: string) => `projects-of.${organizationId}`;

export const taskKey = (organizationId: string, id: string) => `task.${organizationId}.${id}`;
export const taskList = (projectId: string) => `tasks-of.${projectId}`;

/** Trials themselves stand in the trials bucket. */
export const trialList = (taskId: string) => `trials-of.${taskId}`;

/** Proposals themselves stand in the proposals bucket. */
export const proposalList = (sessionId: string) => `proposals-of.${sessionId}`;
/** Those that may still be open. */
export const openProposalList = (projectId: string) => `open-proposals-of.${projectId}`;

/** Which proposal of a session is, or was last, the open one. */
export const openingKey = (sessionId: string) => `opening.${sessionId}`;

/** That histories are imported into an organization, which was empty then. */
export const importKey = (organizationId: string) => `import.${organizationId}`;

export const secretList = (projectId: string) => `secret.${projectId}`;

export const webhookList = (organizationId: string) => `webhook.${organizationId}`;
