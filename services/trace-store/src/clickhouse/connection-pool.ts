// A few connections, each used by one statement at a time.
//
// A connection on which a statement failed is not used again: in process, the rows that a failed statement had written are prepended
// to the next answer of the same connection, which would show one tenant's rows to another. The next statement opens a new one.

export interface Closable {
  close(): Promise<unknown>;
}

export interface ConnectionPool<Connection> {
  /** @throws where too many wait already, or this one has waited for so long; the signal's reason. */
  use<T>(work: (connection: Connection) => Promise<T>, patience?: Patience): Promise<T>;
  close(): Promise<void>;
}

export interface Patience {
  waitMsMax?: number;
  signal?: AbortSignal;
}

export function createConnectionPool<Connection extends Closable>(
  open: () => Connection,
  connectionsMax: number,
  waitingMax: number,
  refused = (why: string): Error => new Error(`ClickHouse is busy: ${why}`),
): ConnectionPool<Connection> {
  /** Free places; one without a connection opens it when it is used. */
  const free: (Connection | undefined)[] = Array.from({ length: connectionsMax }, open);
  const waiting: ((place: Connection | undefined) => void)[] = [];

  function release(place: Connection | undefined): void {
    const next = waiting.shift();
    if (next) next(place);
    else free.push(place);
  }

  async function acquire({ waitMsMax, signal }: Patience): Promise<Connection | undefined> {
    signal?.throwIfAborted();
    if (free.length > 0) return free.pop();
    if (waiting.length >= waitingMax) throw refused('too many statements wait already');
    const { promise, resolve, reject } = Promise.withResolvers<Connection | undefined>();
    waiting.push(resolve);
    const leave = (reason: unknown) => {
      const at = waiting.indexOf(resolve);
      if (at < 0) return;
      waiting.splice(at, 1);
      reject(reason);
    };
    const gone = () => leave(signal?.reason);
    const tooLong = () => leave(refused('this statement has waited too long for others to end'));
    const timer = waitMsMax === undefined ? undefined : setTimeout(tooLong, waitMsMax);
    signal?.addEventListener('abort', gone, { once: true });
    return await promise.finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', gone);
    });
  }

  return {
    use: async (work, patience = {}) => {
      let connection = await acquire(patience);
      try {
        connection ??= open();
        return await work(connection);
      } catch (error) {
        const failed = connection;
        connection = undefined;
        await failed?.close().catch(() => {});
        throw error;
      } finally {
        release(connection);
      }
    },
    close: async () => {
      for (const connection of free.splice(0)) await connection?.close();
    },
  };
}
