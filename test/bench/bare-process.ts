import { join } from 'node:path';

export type BareProgram = 'accept' | 'drain-mysql' | 'drain-sqlite' | 'hello' | 'read-journal' | 'select';

/** Runs a bare program to its end, and returns what it printed. */
export async function runBare(program: BareProgram, ...args: string[]): Promise<Record<string, number>> {
  const child = spawnBare(program, args);
  const [text, code] = await Promise.all([child.stdout.text(), child.exited]);
  if (code !== 0) throw new Error(`test/bench/bare/${program}.ts ended with ${code}`);
  return JSON.parse(text) as Record<string, number>;
}

/** A bare server in a process of its own; `await using` ends it. */
export async function startBare(
  program: BareProgram,
  ...args: string[]
): Promise<{ url: string; pid: number } & AsyncDisposable> {
  const child = spawnBare(program, args);
  let text = '';
  const decoder = new TextDecoder();
  for await (const bytes of child.stdout) {
    text += decoder.decode(bytes, { stream: true });
    if (text.includes('\n')) break;
  }
  if (!text.includes('\n')) throw new Error(`test/bench/bare/${program}.ts ended at its start`);
  const { url } = JSON.parse(text) as { url: string };
  return {
    url,
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
    },
  };
}

export function bareCommand(program: BareProgram, ...args: string[]): string[] {
  return [process.execPath, join(import.meta.dir, 'bare', `${program}.ts`), ...args];
}

function spawnBare(program: BareProgram, args: string[]) {
  const env = { ...process.env, NODE_ENV: 'production' };
  return Bun.spawn(bareCommand(program, ...args), { env, stdout: 'pipe', stderr: 'inherit' });
}
