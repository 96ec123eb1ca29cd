import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  SERVER_START_MS,
  answerPings,
  connected,
  liveClient,
  makeClient,
  sync,
  versionFields,
} from './session-client-harness.js';

test('heartbeats are sent at the interval of CONNECTED', () => {
  const { client, environment } = makeClient();
  client.connect();
  environment.socket.open();
  environment.socket.deliver({ ...connected, heartbeatIntervalMs: 5_000 });
  environment.socket.deliver(sync(3));
  answerPings(environment);
  environment.advance(60_000 - environment.now());
  const count = environment.socket.sentOfType('PING').length;

  assert.ok(count >= 10 + 11 && count <= 10 + 13, `${count}`);
});

test('a late CONNECTED may bring the next heartbeat forward, but never delays it', () => {
  for (const [heartbeatIntervalMs, inMs] of /** @type {const} */ ([
    [5_000, 5_000],
    [60_000, 19_000],
  ])) {
    const { client, environment } = makeClient();
    client.connect();
    environment.socket.open();
    environment.socket.deliver(sync(3));
    answerPings(environment);
    environment.advance(12_000 - environment.now());
    environment.socket.deliver({ ...connected, heartbeatIntervalMs });
    const count = environment.socket.sentOfType('PING').length;
    environment.advance(inMs - 1_100);
    assert.equal(environment.socket.sentOfType('PING').length, count);
    environment.advance(1_100);
    assert.equal(environment.socket.sentOfType('PING').length, count + 1);
  }
});

test('each connection starts with a burst of PINGs', () => {
  const { environment } = liveClient();
  answerPings(environment);
  const first = environment.socket.sentOfType('PING').length;
  environment.socket.end();
  environment.advance(1_000);
  environment.socket.open();
  environment.socket.deliver({ type: 'CURRENT', timestamp: SERVER_START_MS, ...versionFields(3) });
  answerPings(environment);
  assert.equal(first, 11);
  assert.equal(environment.socket.sentOfType('PING').length, first);
});

test('a connection that slept through three of the announced heartbeats is dropped', () => {
  for (const heartbeatIntervalMs of [5_000, 60_000]) {
    for (const [overMs, connection] of /** @type {const} */ ([
      [-1, 'live'],
      [0, 'reconnecting'],
    ])) {
      const { client, environment } = makeClient();
      client.connect();
      environment.socket.open();
      environment.socket.deliver(connected);
      answerPings(environment);
      environment.socket.deliver({ ...connected, heartbeatIntervalMs });
      // The server has closed it, and timers were late.
      environment.skip(3 * heartbeatIntervalMs + overMs);
      environment.advance(0);
      assert.equal(client.connection, connection);
    }
  }
});

test('a PONG that was under way during a sleep is no usual round trip', () => {
  const { environment, client } = liveClient();
  const [{ clientTime }] = environment.socket.sentOfType('PING');
  environment.skip(1_400);
  environment.slept += 3_600_000;
  const timestamp = SERVER_START_MS;
  environment.socket.deliver({
    type: 'PONG',
    clientTime,
    receivedAt: timestamp,
    timestamp,
    ...versionFields(3),
  });

  // The next PING is sent at once.
  environment.advance(1_499);
  assert.equal(client.connection, 'live');
  environment.advance(1);
  assert.equal(client.connection, 'unconfirmed');
});

test('after waking the clock is measured again, and a dead connection dropped', () => {
  const { environment, client } = liveClient();
  answerPings(environment);
  const count = environment.socket.sentOfType('PING').length;
  environment.socket.onsent = () => {};
  environment.wake();
  environment.advance(0);
  assert.equal(environment.socket.sentOfType('PING').length, count + 1);
  environment.advance(1_499);
  assert.equal(client.connection, 'live');
  environment.advance(3_500);
  assert.equal(client.connection, 'unconfirmed');
  environment.advance(1);
  assert.equal(client.connection, 'reconnecting');
});

test('a sleep is noticed by the next timer', () => {
  const { environment } = liveClient();
  answerPings(environment);
  environment.slept += 3_600_000;
  const count = environment.socket.sentOfType('PING').length;
  environment.advance(30_000);
  assert.ok(environment.socket.sentOfType('PING').length > count + 1);
});

test('the snapshot is reported again if a sleep put the clock behind, and only then', () => {
  const { environment, client, details } = liveClient();
  answerPings(environment);
  const receive = (/** @type {number} */ asleepMs) =>
    environment.socket.deliver({
      type: 'CURRENT',
      timestamp: Math.floor(SERVER_START_MS + environment.now() + asleepMs),
      ...versionFields(3),
    });
  receive(0);
  assert.equal(details('state').length, 1);
  environment.slept += 3_000;
  receive(3_000);
  receive(3_000);
  assert.deepEqual(details('state'), [client.snapshot, client.snapshot]);
});

test('the connection is dropped after a sleep during which the clock kept running', () => {
  const { environment, client } = liveClient();
  answerPings(environment);
  environment.skip(3_600_000);
  environment.advance(0);
  assert.equal(client.connection, 'reconnecting');
  environment.advance(1_000);
  environment.socket.open();
  assert.deepEqual(
    environment.socket.sent.map((one) => one.type),
    ['RECONNECT', 'PING'],
  );
});
