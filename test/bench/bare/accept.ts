// The limit of accepting a batch durably: reads the body, parses it, checks it with the service's own schema, appends
// its bytes to one file, and answers after an fdatasync that all waiting requests share. No sequence, no checksum, no
// buffer, no errors. Usage: accept.ts FOLDER

import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import { TaskBatch } from '../../../src/modules/translation/model.ts';

const [folder = '.'] = process.argv.slice(2);
const file = await open(join(folder, 'bare.journal'), constants.O_WRONLY | constants.O_CREAT);
const check = TypeCompiler.Compile(TaskBatch);
let waiting: { bytes: Uint8Array; resolve: () => void }[] = [];
let isWriting = false;
let end = 0;

async function writeGroups(): Promise<void> {
  isWriting = true;
  while (waiting.length > 0) {
    const group = waiting;
    waiting = [];
    const { bytesWritten } = await file.writev(
      group.map(({ bytes }) => bytes),
      end,
    );
    end += bytesWritten;
    await file.datasync();
    for (const { resolve } of group) resolve();
  }
  isWriting = false;
}

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  async fetch(request) {
    const bytes = new Uint8Array(await request.arrayBuffer());
    const body: unknown = JSON.parse(Buffer.from(bytes.buffer).toString('utf8'));
    if (!check.Check(body)) return new Response('wrong', { status: 422 });
    await new Promise<void>((resolve) => {
      waiting.push({ bytes, resolve });
      if (!isWriting) void writeGroups();
    });
    const timestamp = new Date().toISOString();
    return Response.json({ status: 'accepted', count: body.tasks.length, timestamp });
  },
});
console.log(JSON.stringify({ url: server.url.origin }));
