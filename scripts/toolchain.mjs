// Runs the pinned Bun with the given arguments: `node scripts/toolchain.mjs src/main.ts serve`.
//
// A fresh clone needs Node.js with npm, or any Bun, and nothing else: what is missing (the pinned Bun, the packages)
// is installed on the way, inside the checkout. This file is plain JavaScript without dependencies because it runs
// before there are any, under Node.js as well as under Bun (which stands in for a missing `node` in `bun start`).

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { constants } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const LOCK_WAIT_MS_MAX = 10 * 60 * 1000;
/** How long the echoes of one signal may take to arrive; see `relaySignals`. */
const SIGNAL_ECHO_MS_MAX = 250;
const UNFINISHED = 'unfinished';

const root = fileURLToPath(new URL('..', import.meta.url));
const home = join(root, '.toolchain');
const installedBun = join(home, 'node_modules', '.bin', 'bun');
const lockPath = join(home, 'lock');
const stampPath = join(root, 'node_modules', '.toolchain-stamp');
const pinned = JSON.parse(fs.readFileSync(join(root, 'package.json'), 'utf8')).packageManager.split('@')[1];

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  say(error.message);
  process.exitCode = error.exitCode ?? 1;
}

async function main(args) {
  const bun = findBun() ?? (await locked(async () => findBun() ?? (await installBun())));
  // The commands that change bun.lock must not first fail because bun.lock is out of date.
  const changesPackages = ['install', 'add', 'remove', 'update'].includes(args[0]);
  if (!changesPackages && readStamp() !== wantedStamp()) {
    await locked(async () => readStamp() === wantedStamp() || (await installPackages(bun)));
  }
  const path = [dirname(bun), process.env.PATH].join(delimiter);
  return (await run(bun, args, { stdio: 'inherit', env: { ...process.env, PATH: path } })).code;
}

function findBun() {
  return [...presentBuns(), installedBun].find(isPinned);
}

function isPinned(bun) {
  const { status, stdout } = spawnSync(bun, ['--version'], { encoding: 'utf8' });
  return status === 0 && stdout.trim() === pinned;
}

/** The Bun that runs this file, if it is one, and every `bun` on PATH; of whatever version. */
function presentBuns() {
  const running = process.versions.bun ? [process.execPath] : [];
  const onPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'bun'));
  return [...running, ...onPath.filter((path) => fs.existsSync(path))];
}

/** Installs the pinned Bun and returns its path. It is laid out aside and renamed, so it is there whole or not at all. */
async function installBun() {
  say(`installing Bun ${pinned} into .toolchain (only this once)`);
  for (const name of fs.readdirSync(home).filter((name) => name.startsWith('install-'))) {
    fs.rmSync(join(home, name), { recursive: true, force: true, maxRetries: 3 });
  }
  const folder = fs.mkdtempSync(join(home, 'install-'));
  try {
    await fetchBun(folder);
    linkBun(folder);
    fs.rmSync(join(home, 'node_modules'), { recursive: true, force: true });
    fs.renameSync(join(folder, 'node_modules'), join(home, 'node_modules'));
  } finally {
    fs.rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
  return installedBun;
}

async function fetchBun(folder) {
  const manifest = { private: true, dependencies: { bun: pinned } };
  fs.writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  const quiet = ['--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error'];
  const installers = [['npm', 'install', '--ignore-scripts', '--include=optional', ...quiet]];
  for (const bun of presentBuns()) installers.push([bun, 'install', '--ignore-scripts', '--no-save']);
  for (const [command, ...args] of installers) {
    const { missing, code, output } = await run(command, args, { cwd: folder });
    if (missing) continue;
    if (code === 0) return;
    console.error(output);
    throw new Error(
      `Bun ${pinned} could not be installed, see above. It comes from the npm registry: check the network and the ` +
        `proxy and registry settings, or install Bun ${pinned} yourself and put it on PATH.`,
    );
  }
  throw new Error(
    'there is neither npm nor Bun. Install Node.js 20 or newer with npm, or Bun: https://bun.com',
  );
}

/**
 * Links the executable of this platform as `bun`. Bun's install script would do no more than that, but some npm
 * set-ups forbid install scripts, and it needs a `node`.
 */
function linkBun(folder) {
  const platforms = join(folder, 'node_modules', '@oven');
  // An npm that does not look at the C library brings two for Linux; only the right one runs.
  const name = fs.readdirSync(platforms).find((name) => isPinned(join(platforms, name, 'bin', 'bun')));
  if (!name)
    throw new Error(`Bun ${pinned} does not run on this machine (${process.platform} ${process.arch})`);
  for (const link of ['bun', 'bunx'].map((name) => join(folder, 'node_modules', '.bin', name))) {
    fs.rmSync(link, { force: true });
    fs.symlinkSync(join('..', '@oven', name, 'bin', 'bun'), link);
  }
}

/** Brings node_modules to what bun.lock says. The stamp is written last, so an interrupted run is repeated in full. */
async function installPackages(bun) {
  const modules = dirname(stampPath);
  if (readStamp() === UNFINISHED) fs.rmSync(modules, { recursive: true, force: true });
  fs.mkdirSync(modules, { recursive: true });
  fs.writeFileSync(stampPath, UNFINISHED);
  const { code, output } = await run(bun, ['install', '--frozen-lockfile'], { cwd: root });
  if (code === 0) return fs.writeFileSync(stampPath, wantedStamp());

  console.error(output);
  if (output.includes('lockfile is frozen')) {
    fs.rmSync(stampPath);
    throw new Error(
      'bun.lock does not match package.json. Bring it up to date with `node scripts/toolchain.mjs install` and ' +
        'commit it.',
    );
  }
  throw new Error(
    'the packages could not be installed, see above. They come from the npm registry: check the network and the ' +
      'proxy and registry settings, and run this again.',
  );
}

function readStamp() {
  return fs.existsSync(stampPath) ? fs.readFileSync(stampPath, 'utf8') : undefined;
}

/** Platform included: some packages are executables, and a checkout may be shared between a host and a container. */
function wantedStamp() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}\n`);
  for (const name of ['package.json', 'bun.lock']) hash.update(fs.readFileSync(join(root, name)));
  return hash.digest('hex');
}

/** Runs the action while no other process of this checkout installs anything. */
async function locked(action) {
  fs.mkdirSync(home, { recursive: true });
  const deadlineMs = Date.now() + LOCK_WAIT_MS_MAX;
  for (let holder = takeLock(), told = false; holder; holder = takeLock()) {
    if (Date.now() > deadlineMs) {
      throw new Error(`process ${holder} has been installing for long. If it is not, delete ${lockPath}.`);
    }
    if (!told) say(`waiting for process ${holder}, which is installing`);
    told = true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  try {
    return await action();
  } finally {
    fs.rmSync(lockPath, { force: true });
  }
}

/** Takes the lock, or returns the process that holds it. A symbolic link because it appears together with its text. */
function takeLock() {
  if (linkOnce(`${process.pid}-${Date.now()}`, lockPath)) return undefined;
  let ticket;
  try {
    ticket = fs.readlinkSync(lockPath);
  } catch {
    return takeLock(); // It was released in between.
  }
  const holder = Number.parseInt(ticket, 10);
  if (holder !== process.pid && isAlive(holder)) return holder;
  // Left by a process that was killed. Of all that see this, the one that creates the second link may remove the
  // first: nobody can remove the lock of a later holder by mistake.
  if (!linkOnce(ticket, `${lockPath}-${ticket}`)) return holder;
  fs.rmSync(lockPath);
  return takeLock();
}

function linkOnce(text, path) {
  try {
    fs.symlinkSync(text, path);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Runs a command to its end; its output is collected unless it inherits ours. `missing`: there is no such command. */
function run(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    const stopRelay = relaySignals(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += chunk));
    child.once('error', (error) => {
      stopRelay();
      if (error.code === 'ENOENT') resolve({ missing: true, code: 127 });
      else reject(error);
    });
    child.once('close', (code, signal) => {
      stopRelay();
      const exitCode = code ?? 128 + constants.signals[signal];
      if (signal && child.stdout)
        reject(Object.assign(new Error(`${command} was stopped by ${signal}`), { exitCode }));
      else resolve({ code: exitCode, output: output.trim() });
    });
  });
}

/**
 * Lets the signals that ask to stop reach the child exactly once: the service takes a second one as the order to quit
 * without draining. Ctrl-C, systemd and `kill -- -<group>` signal every process at once, `kill <pid>` this one only,
 * and npm repeats to this one what it got itself. So a lookout stands beside the child, in the same group: a signal
 * that killed the lookout was for all, and the child has it already.
 *
 * When npm, or the shell it runs a script in, dies without a word to this process, that asks to stop as well: nobody
 * else would ever stop the child.
 */
function relaySignals(child) {
  const post = () => spawn('cat', { stdio: ['pipe', 'ignore', 'ignore'] }).on('error', () => {});
  let lookout = post();
  let deciding = false;
  const relay = (signal) => {
    clearInterval(parentWatch);
    if (deciding) return;
    deciding = true;
    setTimeout(() => {
      deciding = false;
      if (lookout.signalCode === null) child.kill(signal);
      else lookout = post();
    }, SIGNAL_ECHO_MS_MAX).unref();
  };
  const parent = process.ppid;
  const parentWatch = setInterval(() => {
    if (process.env.npm_lifecycle_event && process.ppid !== parent) relay('SIGTERM');
  }, SIGNAL_ECHO_MS_MAX);

  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, relay);
  return () => {
    for (const signal of signals) process.off(signal, relay);
    clearInterval(parentWatch);
    lookout.kill();
  };
}

function say(text) {
  process.stderr.write(`${basename(import.meta.url)}: ${text}\n`);
}
