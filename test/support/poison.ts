import { Database } from 'bun:sqlite';
import { createConnection } from 'mysql2/promise';

/** A way in which a table refuses rows that no schema of the service can know of. */
export interface Poison {
  /** The fields that make a task bad. */
  bad: { batch_id: string } | { sheet_name: string };
  apply(): Promise<void>;
  mend(): Promise<void>;
}

/** Makes the tasks' table refuse some, by a rule of its own. */
export function ruleAgainstTasks(databaseUrl: string): Poison {
  const bad = { batch_id: 'poison' };
  if (databaseUrl.startsWith('sqlite:')) {
    const trigger = `CREATE TRIGGER poison BEFORE INSERT ON translation_tasks WHEN NEW.batch_id = 'poison'
      BEGIN SELECT RAISE(ABORT, 'batch_id is poison'); END`;
    return {
      bad,
      apply: () => run(databaseUrl, trigger),
      mend: () => run(databaseUrl, 'DROP TRIGGER poison'),
    };
  }
  const table = 'ALTER TABLE translation_tasks';
  return {
    bad,
    apply: () => run(databaseUrl, `${table} ADD CONSTRAINT poison CHECK (batch_id <> 'poison')`),
    mend: () => run(databaseUrl, `${table} DROP CONSTRAINT poison`),
  };
}

/** Makes a column of the tasks' table shorter than the service believes; SQLite's columns have no length. */
export function shortenedColumn(databaseUrl: string): Poison {
  if (databaseUrl.startsWith('sqlite:')) return ruleAgainstTasks(databaseUrl);
  const column = 'ALTER TABLE translation_tasks MODIFY sheet_name';
  return {
    bad: { sheet_name: 'Dialogue of the third chapter' },
    apply: () => run(databaseUrl, `${column} VARCHAR(20) NOT NULL`),
    mend: () => run(databaseUrl, `${column} VARCHAR(255) NOT NULL`),
  };
}

async function run(databaseUrl: string, statement: string): Promise<void> {
  if (databaseUrl.startsWith('sqlite:')) {
    const database = new Database(databaseUrl.slice('sqlite:'.length));
    database.run('PRAGMA busy_timeout = 10000');
    database.run(statement);
    database.close();
    return;
  }
  const connection = await createConnection(databaseUrl);
  await connection.query(statement);
  await connection.end();
}
