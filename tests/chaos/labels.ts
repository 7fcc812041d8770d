// How what is made for a session is marked on the engine.

export const sessionLabel = 'worktrail.session';
