// The limit of reading: answers a request with the rows of one SELECT, by the driver alone. Usage: select.ts
// DATABASE_URL STATEMENTS, where STATEMENTS is a JSON object of names and texts with one parameter or none:
// GET /NAME?ID runs one. Like the service it has a
// pool of 10 connections.

import { Database } from 'bun:sqlite';
import { createPool } from 'mysql2';

const [databaseUrl = '', statements = '{}'] = process.argv.slice(2);
const texts = new Map(Object.entries(JSON.parse(statements) as Record<string, string>));
const select = databaseUrl.startsWith('mysql:') ? mysqlSelect(databaseUrl) : sqliteSelect(databaseUrl);

type Select = (statement: string, values: string[]) => Promise<unknown[]> | unknown[];

function mysqlSelect(uri: string): Select {
  const pool = createPool({ uri, connectionLimit: 10, dateStrings: true, jsonStrings: true });
  return (statement, values) =>
    new Promise((resolve, reject) => {
      pool.query(statement, values, (error, rows) =>
        error === null ? resolve(rows as unknown[]) : reject(error),
      );
    });
}

function sqliteSelect(url: string): Select {
  const database = new Database(url.slice('sqlite:'.length), { readonly: true });
  return (statement, values) => database.query(statement).all(...values);
}

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  idleTimeout: 0,
  async fetch(request) {
    const at = request.url.indexOf('/', 'http://'.length);
    const [name = '', id] = request.url.slice(at + 1).split('?');
    const rows = await select(texts.get(name) ?? '', id === undefined ? [] : [id]);
    return Response.json(id === undefined ? rows : rows[0]);
  },
});
console.log(JSON.stringify({ url: server.url.origin }));
