// By what producers and sessions are told apart among those of all organizations. Their parts are tokens of a subject, and have no dots.

export function producerKey(event: { organizationId: string; sessionId: string; producer: string }): string {
  return `${event.organizationId}.${event.sessionId}.${event.producer}`;
}

export function sessionKey(event: { organizationId: string; sessionId: string }): string {
  return `${event.organizationId}.${event.sessionId}`;
}

/** Of either key; without a producer of a session's. */
export function partsOfKey(key: string): { organizationId: string; sessionId: string; producer: string } {
  const [organizationId = '', sessionId = '', producer = ''] = key.split('.');
  return { organizationId, sessionId, producer };
}
