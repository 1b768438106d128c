import { expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lockFolder } from '../../src/platform/file-lock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const lockModule = join(import.meta.dir, '../../src/platform/file-lock.ts');

/** Another process that tries to lock a folder, says how that went, and holds the lock until it is killed. */
async function lockElsewhere(folder: string): Promise<{ said: string; pid: number } & AsyncDisposable> {
  const child = Bun.spawn(
    [
      process.execPath,
      '--eval',
      `const { lockFolder } = await import(${JSON.stringify(lockModule)});
       try {
         lockFolder(${JSON.stringify(folder)});
         console.log('locked');
       } catch (error) {
         console.log(error.message);
       }
       setInterval(() => {}, 1000);`,
    ],
    { stdin: 'ignore', stdout: 'pipe', stderr: 'inherit' },
  );
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  return {
    said: new TextDecoder().decode(value).trim(),
    pid: child.pid,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await child.exited;
      await reader.cancel();
    },
  };
}

test('a second lock in the same process is refused with a message that names the process', () => {
  using folder = temporaryFolder();
  const release = lockFolder(folder.path);
  expect(() => lockFolder(folder.path)).toThrow(`process ${process.pid}`);
  expect(() => lockFolder(folder.path)).toThrow(folder.path);
  release();
});

test('a lock that another process holds is refused with a message that names that process', async () => {
  using folder = temporaryFolder();
  await using other = await lockElsewhere(folder.path);
  expect(other.said).toBe('locked');
  expect(() => lockFolder(folder.path)).toThrow(`process ${other.pid}`);
});

test('another process is refused while this one holds the lock', async () => {
  using folder = temporaryFolder();
  const release = lockFolder(folder.path);
  await using other = await lockElsewhere(folder.path);
  expect(other.said).toContain(`process ${process.pid}`);
  release();
});

test('the folder can be locked again after a release, and names the new holder', () => {
  using folder = temporaryFolder();
  lockFolder(folder.path)();
  const release = lockFolder(folder.path);
  expect(() => lockFolder(folder.path)).toThrow(`process ${process.pid}`);
  release();
});

test('the lock is free again after its holder was killed, whatever it left behind', async () => {
  using folder = temporaryFolder();
  await using killed = await lockElsewhere(folder.path);
  expect(killed.said).toBe('locked');
  await killed[Symbol.asyncDispose]();
  const release = lockFolder(folder.path);
  expect(() => lockFolder(folder.path)).toThrow(`process ${process.pid})`);
  release();
});

test('a lock file left behind by a dead process blocks nobody', () => {
  using folder = temporaryFolder();
  writeFileSync(join(folder.path, 'lock'), '999999999999\n');
  lockFolder(folder.path)();
});

test('the lock of one folder leaves another free', () => {
  using one = temporaryFolder();
  using two = temporaryFolder();
  const release = lockFolder(one.path);
  lockFolder(two.path)();
  release();
});
