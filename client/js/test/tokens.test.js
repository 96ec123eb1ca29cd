import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';

import WebSocket from 'ws';

import { SessionClient } from '../src/index.js';
import { skip, startStack, waitUntil } from './local-stack.js';

/** @import { Socket } from '../src/types.js' */

/** @type {import('./local-stack.js').Stack} */
let at;

before(async () => {
  // An expired token is noticed at the next message or sweep, both of which come every heartbeat.
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

async function createSession() {
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
 * A client with a token function, its error codes, and the subprotocols of its connections.
 *
 * @param {string} sessionId
 * @param {() => string} token
 */
function connectClient(sessionId, token) {
  /** @type {string[]} */
  const codes = [];
  /** @type {(string | undefined)[]} */
  const protocols = [];
  const openSocket = (/** @type {string} */ url, /** @type {string | undefined} */ protocol) => {
    // The token must not be part of the URL.
    assert.deepEqual([...new URL(url).searchParams.keys()], ['sessionId']);
    const socket = new WebSocket(url, protocol);
    socket.on('open', () => protocols.push(socket.protocol));
    return /** @type {Socket} */ (/** @type {unknown} */ (socket));
  };
  const environment = { openSocket, random: () => 0.2 };
  const client = new SessionClient({ url: at.WS, sessionId, token, environment });
  client.addEventListener('error', (event) => {
    codes.push(/** @type {any} */ (event).detail.code);
  });
  client.connect();
  return { client, codes, protocols };
}

test('a link opens its session with the rights of its role', { skip }, async () => {
  const { sessionId, links } = await createSession();
  const host = connectClient(sessionId, () => links.host.token);
  const viewer = connectClient(sessionId, () => links.viewer.token);
  for (const { client } of [host, viewer]) {
    await waitUntil(client, () => client.connection === 'live' && client.snapshot);
  }
  assert.deepEqual(host.protocols, [`bearer.${links.host.token}`]);

  assert.equal(await host.client.command('start'), 2);
  await waitUntil(viewer.client, () => viewer.client.snapshot?.version === 2);
  await assert.rejects(viewer.client.command('switch'), { code: 'FORBIDDEN' });

  host.client.close();
  viewer.client.close();
});

/**
 * The codes without repetitions: a message sent before the close arrived is refused, too.
 *
 * @param {string[]} codes
 */
const withoutRepetitions = (codes) => [...new Set(codes)];

test('an expired token is reported as an error and renewed', { skip }, async () => {
  const { sessionId, links } = await createSession();
  const short = await rest('POST', `/${sessionId}/tokens`, {
    role: 'viewer',
    expires_in_seconds: 5,
  });
  let token = short.data.token;
  const { client, codes, protocols } = connectClient(sessionId, () => token);
  await waitUntil(client, () => client.connection === 'live');

  token = links.viewer.token;
  await waitUntil(client, () => client.connection === 'reconnecting');
  await waitUntil(client, () => client.connection === 'live');

  assert.deepEqual(withoutRepetitions(codes), ['SESSION_FORBIDDEN']);
  assert.deepEqual(protocols, [`bearer.${short.data.token}`, `bearer.${token}`]);
  client.close();
});

test('a revoked token closes its connection at once and opens no other', { skip }, async () => {
  const { sessionId, links } = await createSession();
  let { token } = links.viewer;
  let tries = 0;
  /** @type {(value?: unknown) => void} */
  let hasTriedAgain;
  const triedAgain = new Promise((resolve) => (hasTriedAgain = resolve));
  const { client, codes, protocols } = connectClient(sessionId, () => {
    tries += 1;
    if (tries === 4) hasTriedAgain();
    return token;
  });
  await waitUntil(client, () => client.connection === 'live');

  await rest('DELETE', `/${sessionId}/tokens/${links.viewer.token_id}`);
  await waitUntil(client, () => client.connection === 'reconnecting');
  await triedAgain;
  assert.deepEqual(withoutRepetitions(codes), ['SESSION_FORBIDDEN']);
  assert.equal(client.connection, 'reconnecting');
  assert.equal(protocols.length, 1);

  token = links.host.token;
  await waitUntil(client, () => client.connection === 'live');
  client.close();
});
