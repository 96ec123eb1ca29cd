import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';

import WebSocket from 'ws';

import { SessionClient } from '../src/index.js';
import { skip, startStack, until } from './stack.js';

/** @typedef {import('../src/types.js').Socket} Socket */

/** @type {import('./stack.js').Stack} */
let at;

before(async () => {
  // Whose token has ended is found by the next message or sweep, each once in a heartbeat.
  if (!skip) at = await startStack({ AUTH: 'on', AUTH_KEYS: '', HEARTBEAT_INTERVAL_MS: '500' });
});

after(() => at?.stop());

/**
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 * @returns {Promise<any>}
 */
async function rest(method, path, body) {
  const answer = await fetch(`${at.REST}/v1/sessions${path}`, {
    method,
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${at.TOKEN}` },
    body: JSON.stringify(body),
  });
  assert.ok(answer.ok, `${answer.status} ${method} ${path}`);
  return answer.status === 204 ? null : answer.json();
}

async function aSession() {
  const session_id = randomUUID();
  const participants = [1, 2].map(() => ({ participant_id: randomUUID(), total_time_ms: 60_000 }));
  const { links } = await rest('POST', '', {
    session_id,
    sync_mode: 'per_participant',
    total_time_ms: 60_000,
    participants,
  });
  return { sessionId: session_id, links };
}

/**
 * A client whose token is asked for before each connection, and what it tells.
 *
 * @param {string} sessionId
 * @param {() => string} token
 */
function aClient(sessionId, token) {
  /** @type {string[]} */
  const codes = [];
  /** @type {(string | undefined)[]} */
  const protocols = [];
  const openSocket = (/** @type {string} */ url, /** @type {string | undefined} */ protocol) => {
    // The token stands in no address.
    assert.deepEqual([...new URL(url).searchParams.keys()], ['sessionId']);
    const socket = new WebSocket(url, protocol);
    socket.on('open', () => protocols.push(socket.protocol));
    return /** @type {Socket} */ (/** @type {unknown} */ (socket));
  };
  const world = { openSocket, random: () => 0.2 };
  const client = new SessionClient({ url: at.WS, sessionId, token, world });
  client.addEventListener('refusal', (event) => {
    codes.push(/** @type {any} */ (event).detail.code);
  });
  client.connect();
  return { client, codes, protocols };
}

test('a link opens its session, for what it allows', { skip }, async () => {
  const { sessionId, links } = await aSession();
  const host = aClient(sessionId, () => links.host.token);
  const viewer = aClient(sessionId, () => links.viewer.token);
  for (const { client } of [host, viewer]) {
    await until(client, () => client.connection === 'live' && client.held);
  }
  assert.deepEqual(host.protocols, [`bearer.${links.host.token}`]);

  assert.equal(await host.client.command('start'), 2);
  await until(viewer.client, () => viewer.client.held?.version === 2);
  await assert.rejects(viewer.client.command('switch'), { code: 'FORBIDDEN' });

  host.client.close();
  viewer.client.close();
});

/**
 * A message of ours that crosses the notice is answered with another.
 * @param {string[]} codes
 */
const onceEach = (codes) => [...new Set(codes)];

test('a token that ends is told as a refusal, and renewed', { skip }, async () => {
  const { sessionId, links } = await aSession();
  const short = await rest('POST', `/${sessionId}/tokens`, {
    role: 'viewer',
    expires_in_seconds: 5,
  });
  let token = short.data.token;
  const { client, codes, protocols } = aClient(sessionId, () => token);
  await until(client, () => client.connection === 'live');

  token = links.viewer.token;
  await until(client, () => client.connection === 'reconnecting');
  await until(client, () => client.connection === 'live');

  assert.deepEqual(onceEach(codes), ['SESSION_FORBIDDEN']);
  assert.deepEqual(protocols, [`bearer.${short.data.token}`, `bearer.${token}`]);
  client.close();
});

test(
  'a token that is revoked closes its connection at once, and opens none',
  { skip },
  async () => {
    const { sessionId, links } = await aSession();
    let { token } = links.viewer;
    let tries = 0;
    /** @type {(value?: unknown) => void} */
    let hasTriedAgain;
    const triedAgain = new Promise((resolve) => (hasTriedAgain = resolve));
    const { client, codes, protocols } = aClient(sessionId, () => {
      tries += 1;
      if (tries === 4) hasTriedAgain();
      return token;
    });
    await until(client, () => client.connection === 'live');

    await rest('DELETE', `/${sessionId}/tokens/${links.viewer.token_id}`);
    await until(client, () => client.connection === 'reconnecting');
    await triedAgain;
    assert.deepEqual(onceEach(codes), ['SESSION_FORBIDDEN']);
    assert.equal(client.connection, 'reconnecting');
    assert.equal(protocols.length, 1);

    token = links.host.token;
    await until(client, () => client.connection === 'live');
    client.close();
  },
);
