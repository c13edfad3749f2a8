/**
 * The tables of the archive, as numbered steps from nothing: each is run once, in order, under a lock.
 *
 * What belongs to executions is partitioned by the day in which their UUIDv7 were made (`partitions.ts`).
 */

/** One step. */
export interface Migration {
  /** Counts from 1. */
  readonly number: number;
  readonly name: string;
  readonly sql: string;
}

/** All of them, in order. What has been released is never changed: a change is another step. */
export const MIGRATIONS: readonly Migration[] = [
  {
    number: 1,
    name: "executions, their logs and values",
    sql: `
      CREATE TABLE millrace.executions (
        id uuid PRIMARY KEY,
        workflow_id text NOT NULL,
        version integer NOT NULL,
        status text NOT NULL,
        requested_at bigint NOT NULL,
        ended_at bigint NOT NULL,
        last_node text,
        response_node text,
        tags text,
        error text,
        search text
      ) PARTITION BY RANGE (id);
      CREATE INDEX ON millrace.executions (status, id);
      CREATE INDEX ON millrace.executions (workflow_id, status, id);
      CREATE INDEX ON millrace.executions (id) WHERE search IS NOT NULL;
      CREATE TABLE millrace.logs (
        id uuid,
        part integer,
        last_ms bigint NOT NULL,
        last_count bigint NOT NULL,
        lines text NOT NULL,
        PRIMARY KEY (id, part)
      ) PARTITION BY RANGE (id);
      CREATE TABLE millrace.values (
        id uuid,
        name text,
        json text NOT NULL,
        PRIMARY KEY (id, name)
      ) PARTITION BY RANGE (id);
      CREATE TABLE millrace.workflows (
        id text,
        version integer,
        updated_at bigint,
        document text NOT NULL,
        PRIMARY KEY (id, version, updated_at)
      );`,
  },
  {
    number: 2,
    name: "hourly statistics",
    sql: `
      CREATE TABLE millrace.hourly (
        workflow_id text,
        hour timestamptz,
        completed bigint NOT NULL,
        failed bigint NOT NULL,
        cancelled bigint NOT NULL,
        duration_ms bigint NOT NULL,
        longest_ms bigint NOT NULL,
        PRIMARY KEY (workflow_id, hour)
      );`,
  },
];
