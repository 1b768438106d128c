import { expect, test } from 'bun:test';
import { createClient } from '../../clients/typescript/client.ts';
import { aSession, aTask } from '../support/records.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

test('the typed client writes, flushes and reads, with the types of the routes', async () => {
  using folder = temporaryFolder();
  await using service = await startServiceProcess({ dataDir: folder.path });
  const { translation } = createClient(service.url).api.v1;
  const session = aSession({ total_tasks: 1 });
  const task = aTask(session.session_id);

  const accepted = await translation.sessions.batch.post({ sessions: [session] });
  expect(accepted.data?.count).toBe(1);
  expect((await translation.tasks.batch.post({ tasks: [task] })).data?.status).toBe('accepted');
  expect((await translation.flush.post()).data?.tasks_written).toBe(1);

  const read = await translation.sessions({ session_id: session.session_id }).get();
  const pendingTasks: number | undefined = read.data?.pending_tasks;
  expect(pendingTasks).toBe(1);
  const page = await translation
    .sessions({ session_id: session.session_id })
    .tasks.get({ query: { status: 'pending' } });
  expect(page.data?.items.map(({ task_id }) => task_id)).toEqual([task.task_id]);
});
