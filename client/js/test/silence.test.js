import assert from 'node:assert/strict';
import { test } from 'node:test';

import { DisplayClock, SessionClient } from '../src/index.js';
import { FakeEnvironment } from './fakes.js';
import { FakeServer } from './fake-server.js';

/** Answers are due after this long on a fast network. */
const ANSWER_MS = 1_500;
const PROBE_TIMEOUT_MS = 5_000;
const HEARTBEAT_MS = 30_000;

/** A client that has been live for a while, on a network with round trips of up to 40 ms. */
function liveClient({ seed = 1, slowestMs = 20 } = {}) {
  const environment = new FakeEnvironment(seed);
  const server = new FakeServer(environment, { slowestMs });
  const client = new SessionClient({ url: 'ws://server/dev', sessionId: 's', environment });
  /** @type {[string, number][]} */
  const connections = [];
  client.addEventListener('connection', () =>
    connections.push([client.connection, environment.now()]),
  );
  server.create();
  client.connect();
  server.serve(3_000);
  assert.equal(client.connection, 'live');
  return { environment, server, client, connections };
}

test('silence after a command is noticed, probed and ended', async () => {
  const { environment, server, client, connections } = liveClient();
  const first = environment.socket;
  server.isSilent = true;
  const sentAtMs = environment.now();
  const outcome = assert.rejects(client.command('pause'), { code: 'CONNECTION_LOST' });
  const pings = first.sentOfType('PING').length;

  server.serve(ANSWER_MS - 1);
  assert.equal(client.connection, 'live');
  assert.equal(first.sentOfType('PING').length, pings);
  server.serve(2);
  assert.equal(client.connection, 'unconfirmed');
  assert.equal(first.sentOfType('PING').length, pings + 1);
  await assert.rejects(client.command('switch'), { code: 'NOT_LIVE', outcome: 'unsent' });
  server.serve(PROBE_TIMEOUT_MS);
  assert.ok(first.closed);
  await outcome;
  assert.deepEqual(connections.at(-1), ['reconnecting', sentAtMs + ANSWER_MS + PROBE_TIMEOUT_MS]);

  server.isSilent = false;
  server.serve(30_000);
  assert.equal(client.connection, 'live');
});

test('silence is noticed within a heartbeat even if nothing is commanded', () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const { environment, server, client, connections } = liveClient({ seed });
    server.serve(environment.random() * HEARTBEAT_MS);
    const silentSinceMs = environment.now();
    server.isSilent = true;
    server.serve(HEARTBEAT_MS + ANSWER_MS + PROBE_TIMEOUT_MS + 50);

    const [[doubt, doubtAtMs] = [], [lost, lostAtMs] = []] = connections.slice(-2);
    assert.deepEqual([doubt, lost], ['unconfirmed', 'reconnecting']);
    assert.ok(Number(doubtAtMs) - silentSinceMs <= HEARTBEAT_MS + ANSWER_MS + 50);
    assert.equal(Number(lostAtMs) - Number(doubtAtMs), PROBE_TIMEOUT_MS);
    client.close();
  }
});

test('a gap that ends before the probe times out costs no connection', () => {
  const { environment, server, client, connections } = liveClient();
  server.isSilent = true;
  server.serve(HEARTBEAT_MS + ANSWER_MS);
  assert.equal(client.connection, 'unconfirmed');
  server.isSilent = false;
  server.serve(PROBE_TIMEOUT_MS);

  assert.deepEqual(
    connections.map(([connection]) => connection),
    ['connecting', 'live', 'unconfirmed', 'live'],
  );
  assert.equal(environment.sockets.length, 1);
});

test('a claim without an answer is noticed', () => {
  const { environment, server, client } = liveClient();
  const deadline_at = new Date(server.timestamp + 1_000).toISOString();
  server.change({ status: 'running', deadline_at });
  server.serve(100);
  server.isSilent = true;
  server.serve(1_900 + ANSWER_MS);

  assert.ok(environment.socket.sentOfType('CLAIM').length > 0);
  assert.equal(client.connection, 'unconfirmed');
});

test('offline begins the doubt, and online ends the wait for the next attempt', () => {
  const { environment, server, client } = liveClient();
  server.isSilent = true;
  environment.goOffline();
  assert.equal(client.connection, 'unconfirmed');
  server.serve(PROBE_TIMEOUT_MS);
  assert.equal(client.connection, 'reconnecting');

  server.refuses = true;
  server.serve(60_000);
  const attempts = environment.sockets.length;
  Object.assign(server, { refuses: false, isSilent: false });
  environment.wake();
  server.serve(1);
  assert.equal(environment.sockets.length, attempts + 1);
  server.serve(100);
  assert.equal(client.connection, 'live');
});

test('an answer on a line that the browser calls offline ends the doubt', () => {
  const { environment, server, client } = liveClient();
  environment.goOffline();
  server.serve(100);
  assert.equal(client.connection, 'live');
  assert.equal(environment.sockets.length, 1);
});

test('slow round trips that are usual are not doubted', () => {
  for (let seed = 1; seed <= 10; seed += 1) {
    const { server, connections } = liveClient({ seed, slowestMs: 600 });
    server.serve(120_000);
    assert.deepEqual(
      connections.map(([connection]) => connection),
      ['connecting', 'live'],
    );
  }
});

test('the error bound includes the time for which nothing was confirmed', () => {
  const { environment, server, client } = liveClient();
  assert.ok(client.errorBoundMs < 50);
  assert.equal(client.errorBoundMs, client.clock.errorBoundMs);
  server.serve(20_000);
  const silentSinceMs = environment.now();
  server.isSilent = true;
  const isTrue = () => client.errorBoundMs >= environment.now() - silentSinceMs;
  while (client.connection === 'live') server.serve(100);
  assert.equal(client.connection, 'unconfirmed');
  for (let step = 0; step < 100; step += 1) {
    assert.ok(isTrue());
    server.serve(1_000);
  }
  assert.equal(client.connection, 'reconnecting');

  server.isSilent = false;
  server.serve(40_000);
  assert.equal(client.connection, 'live');
  assert.ok(client.errorBoundMs < 50);
});

test('a clock that reaches zero is unconfirmed until the server says that it ran out', () => {
  const { environment, server, client } = liveClient();
  /** @type {string[]} */
  const phases = [];
  const display = new DisplayClock({
    clock: client.clock,
    show: ({ id, phase }) => id === 'p0' && phases.at(-1) !== phase && phases.push(phase),
    environment,
  });
  client.addEventListener('state', () => display.update(client.snapshot));
  display.update(client.snapshot);
  const running = (/** @type {number} */ time_remaining_ms) => ({
    participants: server.participants.map((one, index) =>
      index ? one : { ...one, is_active: true, is_running: true, time_remaining_ms },
    ),
  });
  server.change({ status: 'running', ...running(12_000) });
  server.serve(2_000);
  server.isSilent = true;
  // Paused at once, which the client can't know.
  server.change({ status: 'paused', ...running(9_993) });
  server.serve(11_000);
  assert.deepEqual(phases, ['plain', 'unconfirmed']);

  server.isSilent = false;
  server.serve(60_000);
  assert.equal(client.connection, 'live');
  assert.deepEqual(phases, ['plain', 'unconfirmed', 'plain']);
});
