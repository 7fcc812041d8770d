// The schema's statements for a cluster of ClickHouse servers that hold the same: one shard, each table on each replica.
//
// Statements that are not about tables stay as they are; what a replica is given, it hands on itself.

/** Where a table's replicas meet, and what each is called: by macros of the server's own configuration. */
const place = `'/clickhouse/tables/{uuid}/{shard}', '{replica}'`;

/** @param statement of a schema file. @param cluster as the servers' configuration names it. */
export function onCluster(statement: string, cluster: string): string {
  if (statement.startsWith('EXCHANGE TABLES')) return `${statement} ON CLUSTER '${cluster}'`;
  const named = statement.replace(
    /^((?:CREATE TABLE(?: IF NOT EXISTS)?|ALTER TABLE|TRUNCATE TABLE(?: IF EXISTS)?|DROP TABLE(?: IF EXISTS)?)\s+\w+)/,
    `$1 ON CLUSTER '${cluster}'`,
  );
  if (!statement.startsWith('CREATE TABLE')) return named;
  return named.replace(/\bENGINE = (\w*MergeTree)(?:\(([^)]*)\))?/, (_, engine: string, given: string | undefined) => {
    const parameters = given?.trim() ? `${place}, ${given.trim()}` : place;
    return `ENGINE = Replicated${engine}(${parameters})`;
  });
}
