import assert from 'node:assert/strict';
import { test } from 'node:test';

import { SessionClient } from '../src/index.js';
import { FakeEnvironment } from './fakes.js';
import {
  SERVER_START_MS,
  answerPings,
  connected,
  liveClient,
  makeClient,
  sync,
  update,
  versionFields,
} from './session-client-harness.js';

test('RECONNECT names the snapshot, and its answer makes the client live', () => {
  const { environment, client } = liveClient();
  environment.socket.end();
  environment.advance(1_000);
  environment.socket.open();
  assert.deepEqual(environment.socket.sent[0], { type: 'RECONNECT', ...versionFields(3) });
  environment.socket.deliver(connected);
  assert.equal(client.connection, 'reconnecting');
  environment.socket.deliver(sync(2, {}, { epoch: 'another' }));

  assert.equal(client.connection, 'live');
  assert.equal(client.snapshot?.epoch, 'another');
});

test('the reconnect backoff doubles up to 30 s, with full jitter', () => {
  /** @type {number[][]} */
  const waits = [[], [], [], [], [], [], []];
  for (let seed = 1; seed <= 400; seed += 1) {
    const { environment, client } = makeClient({ seed });
    client.connect();
    for (const delays of waits) {
      const count = environment.sockets.length;
      const since = environment.now();
      environment.socket.end();
      while (environment.sockets.length === count)
        environment.advance(Math.max(0, environment.nextTimerAt - environment.now()));
      delays.push(environment.now() - since);
    }
  }

  for (const [failures, delays] of waits.entries()) {
    const longest = Math.min(30_000, 1_000 * 2 ** failures);
    const mean = delays.reduce((sum, one) => sum + one) / delays.length;
    assert.ok(Math.max(...delays) <= longest && Math.min(...delays) < longest / 10);
    assert.ok(Math.abs(mean / longest - 0.5) < 0.1, `${mean} of ${longest}`);
  }
});

test('the backoff starts over after a live connection', () => {
  const { environment } = liveClient();
  for (let time = 0; time < 5; time += 1) {
    environment.socket.end();
    environment.advance(1_000);
    environment.socket.open();
    environment.socket.deliver({
      type: 'CURRENT',
      timestamp: SERVER_START_MS,
      ...versionFields(3),
    });
    answerPings(environment);
  }
  assert.equal(environment.sockets.length, 6);
});

test('a server that is too slow to answer is asked less and less often', () => {
  const environment = new FakeEnvironment(3);
  const client = new SessionClient({ url: 'ws://server/dev', sessionId: 's', environment });
  client.connect();
  let live = 0;
  client.addEventListener('connection', () => (live += client.connection === 'live' ? 1 : 0));
  while (environment.now() < 600_000) {
    const { socket } = environment;
    if (!socket.closed && socket.readyState === 0) {
      socket.open();
      socket.deliver(connected);
      socket.deliver({ type: 'CURRENT', timestamp: SERVER_START_MS, ...versionFields(3) });
    }
    environment.advance(100);
  }

  // Each is dropped after 6.5 s, and waits for 15 s on average in the end.
  assert.ok(live > 10 && live < 45, `${live}`);
});

test('RECONNECT is sent every two seconds until the server answers', () => {
  const { environment, client } = makeClient();
  client.connect();
  environment.socket.open();
  answerPings(environment, { forMs: 1_999, version: {} });
  assert.deepEqual(environment.socket.sentOfType('RECONNECT'), []);
  environment.advance(1);
  environment.advance(2_000);
  assert.deepEqual(environment.socket.sentOfType('RECONNECT'), [
    { type: 'RECONNECT' },
    { type: 'RECONNECT' },
  ]);
  environment.socket.deliver({
    type: 'SESSION_DELETED',
    timestamp: SERVER_START_MS,
    reason: 'expired',
  });
  environment.advance(10_000);

  assert.equal(environment.socket.sentOfType('RECONNECT').length, 2);
  assert.equal(client.connection, 'live');
  assert.equal(client.ending, 'expired');
  environment.socket.deliver(sync(1));
  assert.equal(client.ending, null);
});

test('a handshake times out', () => {
  const { environment, client } = makeClient();
  client.connect();
  environment.advance(11_000);
  assert.ok(environment.sockets.length > 1);
  assert.equal(client.connection, 'connecting');
});

test('a PONG that differs causes a RECONNECT after a second, unless the update arrives', () => {
  const { environment } = liveClient();
  const differs = {
    type: 'PONG',
    clientTime: 0,
    receivedAt: SERVER_START_MS,
    timestamp: SERVER_START_MS,
    ...versionFields(4),
  };
  answerPings(environment);
  environment.socket.deliver(differs);
  environment.advance(900);
  environment.socket.deliver(update(4));
  environment.advance(5_000);
  assert.deepEqual(environment.socket.sentOfType('RECONNECT'), []);
  environment.socket.deliver({ ...differs, ...versionFields(5) });
  environment.advance(999);
  assert.deepEqual(environment.socket.sentOfType('RECONNECT'), []);
  environment.advance(1);
  assert.deepEqual(environment.socket.sentOfType('RECONNECT'), [
    { type: 'RECONNECT', ...versionFields(4) },
  ]);
});

test('a PONG without a session causes a RECONNECT, and deletion clears the snapshot', () => {
  const { environment, client, details } = liveClient();
  environment.socket.deliver({
    type: 'PONG',
    clientTime: 0,
    receivedAt: SERVER_START_MS,
    timestamp: SERVER_START_MS,
  });
  environment.advance(1_000);
  assert.equal(environment.socket.sentOfType('RECONNECT').length, 1);
  environment.socket.deliver({ type: 'SESSION_DELETED', timestamp: SERVER_START_MS });

  assert.equal(client.snapshot, null);
  assert.equal(details('state').at(-1), null);
});

test('an older version with a later timestamp causes a RECONNECT for the whole state', () => {
  const { environment, client } = liveClient();
  environment.socket.deliver(update(2, {}, { timestamp: SERVER_START_MS + 5_000 }));
  assert.deepEqual(environment.socket.sentOfType('RECONNECT'), [{ type: 'RECONNECT' }]);
  environment.socket.deliver(sync(2, {}, { timestamp: SERVER_START_MS + 5_001 }));
  assert.equal(client.snapshot?.version, 2);
});

test('waking ends the backoff', () => {
  const { environment, client } = makeClient();
  client.connect();
  for (let failures = 0; failures < 6; failures += 1) {
    environment.socket.end();
    environment.advance(failures < 5 ? 30_000 : 0);
  }
  const count = environment.sockets.length;
  environment.wake();
  environment.advance(0);
  assert.equal(environment.sockets.length, count + 1);
});
