// A few connections, each used by one statement at a time.
//
// A connection on which a statement failed is replaced: in process, the rows that a failed statement had written are prepended to
// the next answer of the same connection, which would show one tenant's rows to another.

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
  const idle = Array.from({ length: connectionsMax }, open);
  const waiting: ((connection: Connection) => void)[] = [];

  function release(connection: Connection): void {
    const next = waiting.shift();
    if (next) next(connection);
    else idle.push(connection);
  }

  function acquire(): Promise<Connection> {
    const connection = idle.pop();
    if (connection) return Promise.resolve(connection);
    if (waiting.length >= waitingMax) return Promise.reject(new Error(`too many statements wait for ClickHouse`));
    return new Promise((resolve) => waiting.push(resolve));
  }

  return {
    use: async (work) => {
      let connection = await acquire();
      try {
        return await work(connection);
      } catch (error) {
        const failed = connection;
        connection = open();
        await failed.close().catch(() => {});
        throw error;
      } finally {
        release(connection);
      }
    },
    close: async () => {
      for (const connection of idle.splice(0)) await connection.close();
    },
  };
}
