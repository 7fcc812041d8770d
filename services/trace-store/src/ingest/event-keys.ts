// By what producers and sessions are told apart among those of all organizations.

export function producerKey(event: { organizationId: string; sessionId: string; producer: string }): string {
  return `${event.organizationId}.${event.sessionId}.${event.producer}`;
}

export function sessionKey(event: { organizationId: string; sessionId: string }): string {
  return `${event.organizationId}.${event.sessionId}`;
}
