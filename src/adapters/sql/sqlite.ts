import type { Database } from 'bun:sqlite';
import { Kysely, type SqliteDatabase, SqliteDialect, type SqliteStatement } from 'kysely';
import type { Tables } from './tables.ts';

/** Kysely on bun:sqlite, whose statements lack the property `reader` that Kysely's dialect requires. */
export function kyselyOver(database: Database): Kysely<Tables> {
  const shim: SqliteDatabase = {
    close: () => database.close(),
    prepare(sql): SqliteStatement {
      const statement = database.query<unknown, never[]>(sql);
      return {
        reader: statement.columnNames.length > 0,
        all: (parameters) => statement.all(...(parameters as never[])),
        iterate: (parameters) => statement.iterate(...(parameters as never[])),
        run: (parameters) => statement.run(...(parameters as never[])),
      };
    },
  };
  return new Kysely<Tables>({ dialect: new SqliteDialect({ database: shim }) });
}
