import { expect, test } from 'bun:test';
import { Api } from '../support/api.ts';
import { aSession, aTask } from '../support/records.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const path = '/api/v1/translation/recovery/status';

test('recovery/status says what the last start replayed, what waits, and how restores went', async () => {
  using folder = temporaryFolder();
  const session = aSession();
  {
    await using service = await startServiceProcess({ dataDir: folder.path });
    const api = new Api(service.url);
    expect((await api.get(path)).body).toMatchObject({
      last_replay: { frames: 0, records: 0, torn_tail: false },
      restores: { started: 0, success_percent: null },
    });
    await api.sessions([session]);
    await api.tasks([aTask(session.session_id), aTask(session.session_id)]);
    expect((await api.get(path)).body).toMatchObject({ backlog: { records: 3 } });
    await service.kill('SIGKILL');
  }
  await using service = await startServiceProcess({ dataDir: folder.path });
  const api = new Api(service.url);
  await api.post(`/api/v1/translation/recovery/restore/${session.session_id}`);
  expect((await api.get(path)).body).toMatchObject({
    last_replay: { frames: 2, records: 3, damaged_ranges: 0, lost_frames: 0, unreadable_frames: 0 },
    backlog: { records: 0 },
    restores: { started: 1, completed: 1, failed: 0, tasks: 2, success_percent: 100 },
  });
});
