// A few connections, each used by one statement at a time.
//
// A connection on which a statement failed is not used again: in process, the rows that a failed statement had written are prepended
// to the next answer of the same connection, which would show one tenant's rows to another. The next statement opens a new one.

export interface Closable {
  close(): Promise<unknown>;
}

export interface ConnectionPool<Connection> {
  /** @throws when too many wait already. */
  use<T>(work: (connection: Connection) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export function createConnectionPool<Connection extends Closable>(
  open: () => Connection,
  connectionsMax: number,
  waitingMax: number,
): ConnectionPool<Connection> {
  /** Free places; one without a connection opens it when it is used. */
  const free: (Connection | undefined)[] = Array.from({ length: connectionsMax }, open);
  const waiting: ((place: Connection | undefined) => void)[] = [];

  function release(place: Connection | undefined): void {
    const next = waiting.shift();
    if (next) next(place);
    else free.push(place);
  }

  function acquire(): Promise<Connection | undefined> {
    if (free.length > 0) return Promise.resolve(free.pop());
    if (waiting.length >= waitingMax) return Promise.reject(new Error(`too many statements wait for ClickHouse`));
    return new Promise((resolve) => waiting.push(resolve));
  }

  return {
    use: async (work) => {
      let connection = await acquire();
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
