import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';

import WebSocket from 'ws';

import { CommandError, DisplayClock, SessionClient } from '../src/index.js';
import { skip, startStack, waitUntil } from './local-stack.js';

/** @import { Socket } from '../src/types.js' */

/** @type {import('./local-stack.js').Stack} */
let at;

before(async () => {
  if (!skip) at = await startStack();
});

after(() => at?.stop());

/**
 * @param {string} path
 * @param {object} [body]
 * @returns {Promise<any>}
 */
async function rest(path, body) {
  const answer = await fetch(`${at.REST}/v1/sessions${path}`, {
    method: body ? 'POST' : 'GET',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  assert.ok(answer.ok, `${answer.status} ${path}`);
  return answer.json();
}

/** @param {object} more */
async function createSession(more) {
  const session_id = randomUUID();
  const participants = [1, 2].map(() => ({ participant_id: randomUUID(), total_time_ms: 60_000 }));
  await rest('', {
    session_id,
    sync_mode: 'per_participant',
    total_time_ms: 60_000,
    participants,
    ...more,
  });
  return session_id;
}

/**
 * A client on a real socket, once it is live.
 *
 * @param {string} sessionId
 */
async function liveClient(sessionId) {
  /** @type {WebSocket[]} */
  const sockets = [];
  const openSocket = (/** @type {string} */ url) => {
    const socket = new WebSocket(url);
    sockets.push(socket);
    return /** @type {Socket} */ (socket);
  };
  const client = new SessionClient({ url: at.WS, sessionId, environment: { openSocket } });
  client.connect();
  await waitUntil(client, () => client.connection === 'live' && client.snapshot);
  return { client, sockets };
}

test(
  'a session on the local stack: commands, a second screen, a lost connection, and expiry',
  { skip },
  async () => {
    const sessionId = await createSession({
      participants: [1, 2].map(() => ({ participant_id: randomUUID(), total_time_ms: 1_500 })),
      action_on_timeout: { type: 'end_session' },
    });
    const [host, viewer] = await Promise.all([liveClient(sessionId), liveClient(sessionId)]);
    /** @type {string[]} */
    const texts = [];
    const display = new DisplayClock({
      clock: viewer.client.clock,
      show: (face) => texts.push(face.text),
    });
    viewer.client.addEventListener('state', () => display.update(viewer.client.snapshot));

    assert.equal(await host.client.command('start'), 2);
    const stale = host.client.snapshot?.state.participants[1]?.participant_id;
    await assert.rejects(
      host.client.command('switch', { current_participant_id: stale }),
      (error) => error instanceof CommandError && error.code === 'STALE_CYCLE',
    );
    const reached = await host.client.command('switch');
    await waitUntil(viewer.client, () => (viewer.client.snapshot?.version ?? 0) >= reached);

    viewer.sockets[0]?.terminate();
    await waitUntil(viewer.client, () => viewer.client.connection === 'reconnecting');
    await waitUntil(viewer.client, () => viewer.client.connection === 'live');

    await waitUntil(viewer.client, () => viewer.client.snapshot?.state.status === 'expired');
    const { data: state } = await rest(`/${sessionId}`);
    assert.deepEqual(viewer.client.snapshot?.state, state);
    assert.ok(texts.includes('0.1') && texts.includes('0:00'), texts.join());
    const { errorBoundMs } = viewer.client.clock;
    assert.ok(errorBoundMs < 1_000, `${errorBoundMs} ms`);
    assert.ok(
      Math.abs(viewer.client.clock.now() - Date.now()) <= errorBoundMs,
      'the clock of the store is that of this machine',
    );
    display.stop();
    host.client.close();
    viewer.client.close();
  },
);

test('a client keeps trying to connect where no server listens', { skip }, async () => {
  let refused = 0;
  const openSocket = (/** @type {string} */ url) => {
    const socket = new WebSocket(url);
    socket.addEventListener('close', () => (refused += 1));
    return /** @type {Socket} */ (socket);
  };
  const closed = await new Promise((resolve) => {
    const client = new SessionClient({
      url: 'ws://127.0.0.1:9/dev',
      sessionId: 's',
      environment: {
        openSocket,
        random: () => 0,
        setTimer: (then) => setTimeout(() => (refused < 3 ? then() : resolve(client))),
      },
    });
    client.connect();
  });
  assert.equal(closed.connection, 'connecting');
});

test(
  'a session with 200 participants arrives in pages and partial updates, and equals GET',
  { skip },
  async () => {
    const participants = Array.from({ length: 200 }, () => ({
      participant_id: randomUUID(),
      total_time_ms: 60_000,
    }));
    const sessionId = await createSession({ participants });
    const { client } = await liveClient(sessionId);
    await client.command('start');
    for (let time = 0; time < 3; time += 1) {
      const version = await client.command('switch');
      await waitUntil(client, () => client.snapshot?.version === version);
    }
    const version = await client.command('complete');
    await waitUntil(client, () => client.snapshot?.version === version);

    const { data: state } = await rest(`/${sessionId}`);
    assert.deepEqual(client.snapshot?.state, state);
    client.close();
  },
);
