import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';

import WebSocket from 'ws';

import { CommandError, DisplayClock, SessionClient } from '../src/index.js';
import { skip, startStack, until } from './stack.js';

/** @typedef {import('../src/index.js').Face} Face */
/** @typedef {import('../src/types.js').Socket} Socket */

/** @type {import('./stack.js').Stack} */
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
async function aSession(more) {
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
 * A client on a real socket, connected and live.
 *
 * @param {string} sessionId
 */
async function aClient(sessionId) {
  /** @type {WebSocket[]} */
  const sockets = [];
  const openSocket = (/** @type {string} */ url) => {
    const socket = new WebSocket(url);
    sockets.push(socket);
    return /** @type {Socket} */ (socket);
  };
  const client = new SessionClient({ url: at.WS, sessionId, world: { openSocket } });
  client.connect();
  await until(client, () => client.connection === 'live' && client.held);
  return { client, sockets };
}

test(
  'a game on the real stack: commands, a second screen, a cut, and the end at zero',
  { skip },
  async () => {
    const sessionId = await aSession({
      participants: [1, 2].map(() => ({ participant_id: randomUUID(), total_time_ms: 1_500 })),
      action_on_timeout: { type: 'end_session' },
    });
    const [host, viewer] = await Promise.all([aClient(sessionId), aClient(sessionId)]);
    /** @type {string[]} */
    const texts = [];
    const display = new DisplayClock({
      clock: viewer.client.clock,
      show: (face) => texts.push(face.text),
    });
    viewer.client.addEventListener('state', () => display.update(viewer.client.held));

    assert.equal(await host.client.command('start'), 2);
    const stale = host.client.held?.state.participants[1]?.participant_id;
    await assert.rejects(
      host.client.command('switch', { current_participant_id: stale }),
      (error) => error instanceof CommandError && error.code === 'STALE_CYCLE',
    );
    const reached = await host.client.command('switch');
    await until(viewer.client, () => (viewer.client.held?.version ?? 0) >= reached);

    viewer.sockets[0]?.terminate();
    await until(viewer.client, () => viewer.client.connection === 'reconnecting');
    await until(viewer.client, () => viewer.client.connection === 'live');

    await until(viewer.client, () => viewer.client.held?.state.status === 'expired');
    const { data: state } = await rest(`/${sessionId}`);
    assert.deepEqual(viewer.client.held?.state, state);
    assert.ok(texts.includes('0.1') && texts.includes('0:00'), texts.join());
    const { errorBoundMs } = viewer.client.clock;
    assert.ok(errorBoundMs < 1_000, `${errorBoundMs} ms`);
    assert.ok(
      Math.abs(viewer.client.clock.now() - Date.now()) <= errorBoundMs,
      'the store is on this machine',
    );
    display.stop();
    host.client.close();
    viewer.client.close();
  },
);

test('where nobody listens it goes on trying, and nothing breaks', { skip }, async () => {
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
      world: {
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
  'a session of two hundred comes in pages and partial updates, and is what GET shows',
  { skip },
  async () => {
    const participants = Array.from({ length: 200 }, () => ({
      participant_id: randomUUID(),
      total_time_ms: 60_000,
    }));
    const sessionId = await aSession({ participants });
    const { client } = await aClient(sessionId);
    await client.command('start');
    for (let time = 0; time < 3; time += 1) {
      const version = await client.command('switch');
      await until(client, () => client.held?.version === version);
    }
    const version = await client.command('complete');
    await until(client, () => client.held?.version === version);

    const { data: state } = await rest(`/${sessionId}`);
    assert.deepEqual(client.held?.state, state);
    client.close();
  },
);
