// Makes sure that `.toolchain/bun` is the pinned Bun and that the packages of bun.lock are installed; the scripts of
// package.json run it first and then replace their shell by that Bun, so that signals reach it as usual.
//
// A fresh clone needs Node.js with npm, or any Bun, and nothing else. This file is plain JavaScript without
// dependencies because it runs before there are any, under Node.js as well as under Bun (which stands in for a
// missing `node` in `bun start`).

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const lockWaitMsMax = 10 * 60 * 1000;

const root = fileURLToPath(new URL('..', import.meta.url));
const home = join(root, '.toolchain');
const linkedBun = join(home, 'bun');
const lockPath = join(home, 'lock');
const stampPath = join(root, 'node_modules', '.installed');
const pinned = JSON.parse(fs.readFileSync(join(root, 'package.json'), 'utf8')).packageManager.split('@')[1];

try {
  if (!isReady()) await whileLocked(prepare);
} catch (error) {
  console.error(`toolchain: ${error.message}`);
  process.exit(1);
}

function isReady() {
  return isPinned(linkedBun) && readStamp() === wantedStamp();
}

function prepare() {
  if (!isPinned(linkedBun)) linkBun(presentBuns().find(isPinned) ?? installBun());
  if (readStamp() !== wantedStamp()) installPackages();
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

function linkBun(bun) {
  const aside = `${linkedBun}-${process.pid}`;
  fs.symlinkSync(bun, aside);
  fs.renameSync(aside, linkedBun);
}

/** Installs the pinned Bun with npm, or with whatever Bun there is, and returns the executable for this platform. */
function installBun() {
  console.error(`toolchain: installing Bun ${pinned} into .toolchain (only this once)`);
  fs.writeFileSync(
    join(home, 'package.json'),
    JSON.stringify({ private: true, dependencies: { bun: pinned } }),
  );
  // The package's own install script would only link the executable, and some set-ups forbid such scripts.
  const installers = [
    [
      'npm',
      'install',
      '--ignore-scripts',
      '--include=optional',
      '--no-package-lock',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
    ],
    ...presentBuns().map((bun) => [bun, 'install', '--ignore-scripts', '--no-save']),
  ];
  const installer = installers.find(([command]) => spawnSync(command, ['--version']).status === 0);
  if (installer === undefined) {
    throw new Error(
      'there is neither npm nor Bun. Install Node.js 20 or newer with npm, or Bun: https://bun.com',
    );
  }
  const [command, ...args] = installer;
  run(
    command,
    args,
    home,
    `Bun ${pinned} could not be installed, see above. It comes from the npm registry: check the network and the proxy and registry settings, or put Bun ${pinned} on PATH.`,
  );
  const platforms = join(home, 'node_modules', '@oven');
  const executables = fs.readdirSync(platforms).map((name) => join(platforms, name, 'bin', 'bun'));
  const bun = executables.find(isPinned);
  if (bun === undefined) {
    throw new Error(`Bun ${pinned} does not run on this machine (${process.platform} ${process.arch})`);
  }
  return bun;
}

/** Brings node_modules to what bun.lock says. The stamp is written last: an interrupted run is repeated. */
function installPackages() {
  if (readStamp() === undefined) fs.rmSync(join(root, 'node_modules'), { recursive: true, force: true });
  fs.rmSync(stampPath, { force: true });
  run(
    linkedBun,
    ['install', '--frozen-lockfile'],
    root,
    'the packages could not be installed, see above. They come from the npm registry: check the network, and the proxy and registry settings. If bun.lock is out of date, run `.toolchain/bun install` and commit it.',
  );
  fs.writeFileSync(stampPath, wantedStamp());
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

/** Runs a command quietly; shows what it said when it fails. */
function run(command, args, folder, failure) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: folder, encoding: 'utf8' });
  if (status === 0) return;
  console.error(`${stdout ?? ''}${stderr ?? ''}`.trim());
  throw new Error(failure);
}

/** Runs the action while no other process of this checkout installs anything. */
async function whileLocked(action) {
  fs.mkdirSync(home, { recursive: true });
  const deadlineMs = Date.now() + lockWaitMsMax;
  while (!takeLock()) {
    if (Date.now() > deadlineMs)
      throw new Error(`another process has been installing for long; if none is, delete ${lockPath}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  try {
    action();
  } finally {
    fs.rmSync(lockPath, { force: true });
  }
}

/** The lock is a link to the process that holds it; one that is left of a dead process is removed. */
function takeLock() {
  try {
    fs.symlinkSync(String(process.pid), lockPath);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  try {
    process.kill(Number(fs.readlinkSync(lockPath)), 0);
  } catch (error) {
    if (error.code === 'ESRCH') fs.rmSync(lockPath, { force: true });
  }
  return false;
}
