/**
 * Starts the project's local stack, for tests against a real server.
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
const TIMEOUT_MS = 20_000;
const PYTHON = join(ROOT, '.venv/bin/python');

/** Why the tests are skipped; false if they are not. */
export const skip = existsSync(PYTHON)
  ? false
  : '`make install` creates the environment of the local stack';

/**
 * The addresses of a stack, and the server token that it prints with AUTH=on.
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
  const printed = {};
  for await (const line of createInterface({ input: local.stdout })) {
    const [name, value] = line.trim().split(/[\s=]+/);
    if (name && value) printed[name] ??= value;
    if (name === 'Ctrl-C') break;
  }
  const stop = async () => {
    const ended = new Promise((resolve) => local.once('exit', resolve));
    local.kill('SIGTERM');
    await ended;
    rmSync(data, { recursive: true, force: true });
  };
  return /** @type {Stack} */ ({ ...printed, stop });
}

/**
 * Wait until a condition is true.
 *
 * @param {import('../src/index.js').SessionClient} client
 * @param {() => unknown} condition checked after each event of the client
 */
export async function waitUntil(client, condition) {
  await new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`not true within ${TIMEOUT_MS} ms: ${condition}`)),
      TIMEOUT_MS,
    );
    const check = () => {
      if (!condition()) return;
      clearTimeout(timer);
      for (const type of ['connection', 'state']) client.removeEventListener(type, check);
      resolve(undefined);
    };
    for (const type of ['connection', 'state']) client.addEventListener(type, check);
    check();
  });
}
