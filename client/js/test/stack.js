/**
 * The local stack of the project, for tests that want a real server.
 *
 * @module
 */

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const WITHIN_MS = 20_000;
const PYTHON = join(ROOT, '.venv/bin/python');

/** Why there can be none; false if there can. */
export const skip = existsSync(PYTHON)
  ? false
  : '`make install` makes the environment of the local stack';

/**
 * Where a stack is, and the token for servers that it prints where AUTH is on.
 *
 * @typedef {object} Stack
 * @property {string} REST
 * @property {string} WS
 * @property {string} [TOKEN]
 * @property {() => Promise<void>} stop
 */

/**
 * @param {Record<string, string>} [environment]
 * @returns {Promise<Stack>}
 */
export async function startStack(environment = {}) {
  const data = mkdtempSync(join(tmpdir(), 'tickless-client-'));
  const local = spawn(
    PYTHON,
    ['-m', 'local', '--port', '0', '--ws-port', '0', '--data-dir', data],
    {
      cwd: ROOT,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  /** @type {Record<string, string>} */
  const said = {};
  for await (const line of createInterface({ input: local.stdout })) {
    const [name, value] = line.trim().split(/[\s=]+/);
    if (name && value) said[name] ??= value;
    if (name === 'Ctrl-C') break;
  }
  const stop = async () => {
    const ended = new Promise((resolve) => local.once('exit', resolve));
    local.kill('SIGTERM');
    await ended;
    rmSync(data, { recursive: true, force: true });
  };
  return /** @type {Stack} */ ({ ...said, stop });
}

/**
 * @param {import('../src/index.js').SessionClient} client
 * @param {() => unknown} isTrue asked after each of the client's events
 */
export async function until(client, isTrue) {
  await new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`not within ${WITHIN_MS} ms: ${isTrue}`)),
      WITHIN_MS,
    );
    const look = () => {
      if (!isTrue()) return;
      clearTimeout(timer);
      for (const type of ['connection', 'state']) client.removeEventListener(type, look);
      resolve(undefined);
    };
    for (const type of ['connection', 'state']) client.addEventListener(type, look);
    look();
  });
}
