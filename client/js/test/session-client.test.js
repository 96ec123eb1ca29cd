import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  SERVER_START_MS,
  iso,
  liveClient,
  makeClient,
  promisesSettled,
  sync,
  update,
  versionFields,
} from './session-client-harness.js';

test('the connection goes from connecting to live, reconnecting and closed', () => {
  const { environment, client, details } = liveClient();
  environment.socket.end();
  environment.advance(1_000);
  environment.socket.open();
  environment.socket.deliver({ type: 'CURRENT', timestamp: SERVER_START_MS, ...versionFields(3) });
  client.close();

  assert.deepEqual(details('connection'), ['connecting', 'live', 'reconnecting', 'live', 'closed']);
  assert.ok(environment.socket.closed);
  assert.equal(environment.timerCount, 0);
  assert.equal(environment.listenerCount, 0);
});

test('the session id is added to the query of the URL', () => {
  let calls = 0;
  const { environment, client } = makeClient({
    url: () => `wss://host/prod?token=${(calls += 1)}`,
  });
  client.connect();
  assert.equal(environment.socket.url, 'wss://host/prod?token=1&sessionId=a+b');
  environment.socket.end();
  environment.advance(1_000);
  assert.equal(environment.socket.url, 'wss://host/prod?token=2&sessionId=a+b');
});

test('connect throws on an invalid URL', () => {
  const { client } = makeClient({ url: 'nowhere' });
  assert.throws(() => client.connect(), TypeError);
  assert.equal(client.connection, 'closed');
});

test('connect throws what fails at once, and may be called again', () => {
  let calls = 0;
  const { environment, client, details } = makeClient({
    url: () => {
      if ((calls += 1) === 1) throw new Error('not yet');
      return 'ws://server/dev';
    },
  });
  assert.throws(() => client.connect(), { message: 'not yet' });
  assert.equal(client.connection, 'closed');
  assert.equal(environment.timerCount, 0);
  client.connect();
  assert.equal(environment.sockets.length, 1);
  assert.deepEqual(details('error'), []);
});

test('an attempt that fails at once is reported, and repeated after the backoff', async () => {
  const failure = () => {
    throw new TypeError('secret');
  };
  const url = () => (failing ? failure() : 'ws://server/dev');
  const token = () => (failing ? failure() : 'secret');
  let failing = false;
  const CONNECTION_FAILED = {
    code: 'CONNECTION_FAILED',
    message: 'The connection could not be opened (TypeError); the client tries again',
  };
  const TOKEN_FAILED = {
    code: 'TOKEN_FAILED',
    message: 'The token function failed (TypeError); the client tries again',
  };
  for (const { how, error } of [
    { how: { url }, error: CONNECTION_FAILED },
    { how: { url: () => (failing ? 'nowhere' : 'ws://server/dev') }, error: CONNECTION_FAILED },
    { how: { url, token: async () => 'secret' }, error: CONNECTION_FAILED },
    { how: { token }, error: TOKEN_FAILED },
    { how: { token: async () => token() }, error: TOKEN_FAILED },
    { how: { beforeOpening: () => failing && failure() }, error: CONNECTION_FAILED },
  ]) {
    failing = false;
    const { environment, client, details } = makeClient(how);
    client.connect();
    await promisesSettled();
    environment.socket.end();
    failing = true;
    for (const longestMs of [1_000, 2_000, 4_000]) {
      environment.advance(longestMs);
      await promisesSettled();
    }
    const failures = details('error');
    assert.ok(failures.length >= 3);
    for (const one of failures) assert.deepEqual(one, error);
    assert.equal(environment.sockets.length, 1);
    assert.equal(client.connection, 'connecting');

    failing = false;
    environment.advance(environment.nextTimerAt - environment.now());
    await promisesSettled();
    assert.ok(environment.sockets.length > 1);
    environment.socket.open();
    environment.socket.deliver(sync(3));
    assert.equal(client.connection, 'live');
    client.close();
    assert.equal(environment.timerCount, 0);
  }
});

test('a listener may close the client when the connection is lost or fails', async () => {
  const { environment, client } = liveClient();
  client.addEventListener(
    'connection',
    () => client.connection === 'reconnecting' && client.close(),
  );
  environment.socket.end();
  environment.advance(60_000);
  assert.equal(environment.sockets.length, 1);
  assert.equal(environment.timerCount, 0);

  const failing = makeClient({ token: () => Promise.reject(new Error('unreachable')) });
  failing.client.addEventListener('error', () => failing.client.close());
  failing.client.connect();
  await promisesSettled();
  failing.environment.advance(60_000);
  assert.equal(failing.details('error').length, 1);
  assert.equal(failing.environment.timerCount, 0);
});

test('a listener may close the client', () => {
  const { environment, client, details } = makeClient();
  client.addEventListener('state', () => client.close());
  client.connect();
  environment.socket.open();
  environment.socket.deliver(sync(3, { deadline_at: iso(0) }));
  environment.advance(600_000);

  assert.equal(details('connection').at(-1), 'closed');
  assert.equal(environment.timerCount, 0);
  assert.equal(environment.sockets.length, 1);
});

test('a listener may close the client while buffered updates remain', () => {
  const { environment, client } = liveClient();
  const due = { deadline_at: iso(0) };
  environment.socket.deliver(update(9, {}, { epoch: 'another' }));
  environment.socket.deliver(update(5, due));
  client.addEventListener('state', () => client.close(), { once: true });
  environment.socket.deliver(sync(4, due));
  assert.equal(environment.timerCount, 0);
});

test('each version is reported once, in order, with its events', () => {
  const { environment, client, details } = liveClient();
  const events = [{ type: 'cycle_switched', at: 'now' }];
  environment.socket.deliver(update(4, {}, { events }));
  environment.socket.deliver(update(4, {}, { events }));
  environment.socket.deliver(update(3));

  assert.deepEqual(
    details('state').map((one) => one.version),
    [3, 4],
  );
  assert.deepEqual(details('events'), [events]);
  assert.equal(client.snapshot?.version, 4);
  assert.deepEqual(environment.socket.sentOfType('RECONNECT'), []);
});

test('the events of an update applied twice are reported once', () => {
  const { environment, client, details } = liveClient();
  const events = (/** @type {string} */ type) => ({ events: [{ type, at: 'then' }] });
  environment.socket.deliver(update(9, {}, { epoch: 'another' }));
  environment.socket.deliver(update(4, {}, events('first')));
  environment.socket.deliver(
    update(5, {}, { ...events('second'), timestamp: SERVER_START_MS + 4 }),
  );
  environment.socket.deliver(sync(3));

  assert.equal(client.snapshot?.version, 5);
  assert.deepEqual(
    details('events')
      .flat()
      .map((one) => one.type),
    ['first', 'second'],
  );
});

test('messages of a connection that was dropped are ignored', () => {
  const { environment, client } = liveClient();
  const first = environment.socket;
  environment.advance(10_000);
  assert.ok(first.closed);
  assert.notEqual(environment.socket, first);
  first.deliver(update(9));
  assert.equal(client.snapshot?.version, 3);
});

test('messages without a type and invalid JSON are ignored', () => {
  const { environment, client } = liveClient();
  environment.socket.deliver({
    message: 'Internal server error',
    connectionId: 'x',
    requestId: 'y',
  });
  environment.socket.onmessage?.({ data: 'nonsense' });
  assert.equal(client.connection, 'live');
});

test('an error that there is no session discards the snapshot and is not reported', () => {
  const { environment, client, details } = liveClient();
  const missing = {
    type: 'ERROR',
    timestamp: SERVER_START_MS,
    code: 'SESSION_NOT_FOUND',
    message: 'Session does not exist',
  };
  // To a command, it is that command's answer.
  environment.socket.deliver({ ...missing, id: 'a command of long ago' });
  assert.notEqual(client.snapshot, null);
  environment.socket.deliver(missing);

  assert.equal(client.snapshot, null);
  assert.equal(client.ending, null);
  assert.equal(details('error').length, 1);
});
