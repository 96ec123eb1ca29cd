import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CommandError, SessionClient } from '../src/index.js';
import { FakeEnvironment } from './fakes.js';
import { makeParticipant, makeState, updatedAtOf, RUNNING } from './factories.js';

/** @import { SessionState } from '../src/types.js' */

const SERVER_START_MS = 1_767_225_600_000;

/** @typedef {string | (() => string | Promise<string>)} Token */

/**
 * @param {{seed?: number, url?: string | (() => string), token?: Token,
 *   beforeOpening?: (protocol?: string) => void}} [how]
 */
function makeClient({ seed = 1, url = 'ws://server/dev', token, beforeOpening } = {}) {
  const environment = new FakeEnvironment(seed);
  const { openSocket } = environment;
  environment.openSocket = (address, protocol) => {
    beforeOpening?.(protocol);
    return openSocket(address, protocol);
  };
  const client = new SessionClient({ url, sessionId: 'a b', token, environment });
  /** @type {[string, any][]} */
  const events = [];
  for (const type of ['connection', 'state', 'events', 'error']) {
    client.addEventListener(type, (event) =>
      events.push([type, /** @type {any} */ (event).detail]),
    );
  }
  const details = (/** @type {string} */ type) =>
    events.filter((one) => one[0] === type).map((one) => one[1]);
  return { environment, client, details };
}

const versionFields = (/** @type {number} */ version) => ({
  epoch: 'e',
  version,
  updatedAt: updatedAtOf(version),
});

const connected = {
  type: 'CONNECTED',
  timestamp: SERVER_START_MS,
  heartbeatIntervalMs: 30_000,
  protocol: 1,
};

/**
 * @param {number} version
 * @param {Partial<SessionState>} [state]
 * @param {object} [more]
 */
function sync(version, state, more) {
  const whole = makeState([makeParticipant('a', RUNNING), makeParticipant('b')], {
    version,
    ...state,
  });
  return {
    type: 'STATE_SYNC',
    timestamp: SERVER_START_MS + version,
    epoch: 'e',
    version,
    state: whole,
    ...more,
  };
}

/**
 * @param {number} version
 * @param {Partial<SessionState>} [state]
 * @param {object} [more]
 */
function update(version, state, more) {
  return { ...sync(version, state), type: 'STATE_UPDATE', events: [], ...more };
}

/** @param {Parameters<typeof makeClient>[0] & {state?: Partial<SessionState>}} [how] */
function liveClient(how = {}) {
  const opened = makeClient(how);
  opened.client.connect();
  opened.environment.socket.open();
  opened.environment.socket.deliver(connected);
  opened.environment.socket.deliver(sync(3, how.state));
  return opened;
}

/**
 * Answer every PING without delay, and wait until the burst at the start is over.
 *
 * @param {FakeEnvironment} environment
 * @param {{forMs?: number, version?: object}} [how]
 */
function answerPings(environment, { forMs = 2_000, version = versionFields(3) } = {}) {
  const { socket } = environment;
  const pong = (/** @type {any} */ message) => {
    const timestamp = SERVER_START_MS + Math.floor(environment.now());
    if (message.type !== 'PING') return;
    environment.setTimer(
      () =>
        socket.deliver({
          type: 'PONG',
          clientTime: message.clientTime,
          receivedAt: timestamp,
          timestamp,
          ...version,
        }),
      0,
    );
  };
  socket.onsent = pong;
  for (const message of socket.sentOfType('PING')) pong(message);
  environment.advance(forMs);
}

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

/**
 * What a browser throws at a subprotocol that is not a token of HTTP; it quotes the argument.
 *
 * @param {string} [protocol]
 */
function checkSubprotocol(protocol = '') {
  if (/[^!-~]/.test(protocol)) {
    throw new SyntaxError(`The subprotocol '${protocol}' is invalid.`);
  }
}

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

test('a token that the browser refuses is reported without quoting it', async () => {
  let value = 'a b';
  const { environment, client, details } = makeClient({
    token: async () => value,
    beforeOpening: checkSubprotocol,
  });
  client.connect();
  await promisesSettled();
  assert.deepEqual(details('error'), [
    {
      code: 'CONNECTION_FAILED',
      message: 'The connection could not be opened (SyntaxError); the client tries again',
    },
  ]);

  value = 'ab';
  environment.advance(1_000);
  await promisesSettled();
  assert.equal(environment.socket.protocol, 'bearer.ab');
});

test('what can be thrown at all is reported', async () => {
  for (const thrown of [undefined, null, 'secret', { name: 5 }]) {
    const { client, details } = makeClient({ token: () => Promise.reject(thrown) });
    client.connect();
    await promisesSettled();
    assert.deepEqual(details('error'), [
      {
        code: 'TOKEN_FAILED',
        message: 'The token function failed (Error); the client tries again',
      },
    ]);
  }
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

test('messages of a connection that was dropped are ignored', () => {
  const { environment, client } = liveClient();
  const first = environment.socket;
  environment.advance(10_000);
  assert.ok(first.closed);
  assert.notEqual(environment.socket, first);
  first.deliver(update(9));
  assert.equal(client.snapshot?.version, 3);
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

test('switch and pause name the current cycle', () => {
  const { environment, client } = liveClient();
  client.command('switch', { next_participant_id: 'b' });
  client.command('pause');
  client.command('switch', { current_participant_id: 'b' });
  client.command('adjust', { delta_ms: 5 }, { expectedVersion: 3 });

  assert.deepEqual(
    environment.socket.sentOfType('COMMAND').map(({ id, ...rest }) => (assert.ok(id), rest)),
    [
      {
        type: 'COMMAND',
        command: 'switch',
        args: { current_participant_id: 'a', next_participant_id: 'b' },
      },
      { type: 'COMMAND', command: 'pause', args: { current_participant_id: 'a' } },
      { type: 'COMMAND', command: 'switch', args: { current_participant_id: 'b' } },
      { type: 'COMMAND', command: 'adjust', args: { delta_ms: 5 }, expectedVersion: 3 },
    ],
  );
  const ids = environment.socket.sentOfType('COMMAND').map((one) => one.id);
  assert.equal(new Set(ids).size, 4);
});

test('a command resolves to the version in its ACK', async () => {
  const { environment, client } = liveClient();
  const [first, second] = [client.command('switch'), client.command('undo')];
  const [one, other] = environment.socket.sentOfType('COMMAND');
  environment.socket.deliver({ type: 'ACK', timestamp: SERVER_START_MS, id: other.id, version: 5 });
  environment.socket.deliver({ type: 'ACK', timestamp: SERVER_START_MS, id: one.id, version: 4 });

  assert.deepEqual(await Promise.all([first, second]), [4, 5]);
});

/**
 * @param {Promise<unknown>} promise
 * @param {string} code
 * @param {string} outcome
 */
async function failsWith(promise, code, outcome) {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof CommandError);
    assert.deepEqual([error.code, error.outcome], [code, outcome]);
    return true;
  });
}

test('a refused command fails with the code of the server', async () => {
  const { environment, client, details } = liveClient();
  const promise = client.command('switch');
  const { id } = environment.socket.sent.at(-1);
  environment.socket.deliver({
    type: 'ERROR',
    timestamp: SERVER_START_MS,
    code: 'STALE_CYCLE',
    message: 'Another participant is active',
    id,
  });

  await failsWith(promise, 'STALE_CYCLE', 'refused');
  environment.socket.deliver({
    type: 'ERROR',
    timestamp: SERVER_START_MS,
    code: 'STORE_UNAVAILABLE',
    message: 'Gone',
  });
  assert.equal(details('error')[0].code, 'STORE_UNAVAILABLE');
});

test('a command without a live session fails at once and is never sent', async () => {
  const { environment, client } = makeClient();
  await failsWith(client.command('switch'), 'NOT_LIVE', 'unsent');
  client.connect();
  await failsWith(client.command('switch'), 'NOT_LIVE', 'unsent');
  environment.socket.open();
  environment.socket.deliver(connected);
  await failsWith(client.command('switch'), 'NOT_LIVE', 'unsent');
  environment.socket.deliver(sync(3));
  environment.socket.end();
  await failsWith(client.command('switch'), 'NOT_LIVE', 'unsent');
  environment.advance(1_000);
  environment.socket.open();
  environment.socket.deliver({ type: 'CURRENT', timestamp: SERVER_START_MS, ...versionFields(3) });
  environment.advance(60_000);

  assert.deepEqual(
    environment.sockets.flatMap((one) => one.sentOfType('COMMAND')),
    [],
  );
});

test('the outcome is unknown if the connection is lost before the ACK', async () => {
  const { environment, client } = liveClient();
  const promise = client.command('switch');
  environment.socket.end();
  await failsWith(promise, 'CONNECTION_LOST', 'unknown');
});

test('the outcome is unknown if no ACK arrives', async () => {
  const { environment, client } = liveClient();
  answerPings(environment);
  const promise = client.command('switch');
  environment.advance(10_000);
  await failsWith(promise, 'NO_ANSWER', 'unknown');
  assert.equal(client.connection, 'live');
});

test('the outcome of a pending command is unknown when the client is closed', async () => {
  const { client } = liveClient();
  const promise = client.command('switch');
  client.close();
  await failsWith(promise, 'CONNECTION_LOST', 'unknown');
});

const iso = (/** @type {number} */ ms) => new Date(SERVER_START_MS + ms).toISOString();

test('an expired clock is claimed with a growing delay', () => {
  const { environment } = liveClient({ state: { deadline_at: iso(10_000) } });
  answerPings(environment);
  environment.advance(10_200 - environment.now());
  assert.equal(environment.socket.sentOfType('CLAIM').length, 0);
  environment.advance(1_100);
  assert.equal(environment.socket.sentOfType('CLAIM').length, 1);
  environment.advance(60_000);
  const claims = environment.socket.sentOfType('CLAIM').length;
  assert.ok(claims >= 4 && claims <= 10, `${claims}`);
});

test('an update before the claim makes it unnecessary', () => {
  const { environment } = liveClient({ state: { deadline_at: iso(10_000) } });
  answerPings(environment);
  environment.advance(10_100 - environment.now());
  environment.socket.deliver(update(4, { status: 'expired', deadline_at: null }));
  environment.advance(60_000);
  assert.equal(environment.socket.sentOfType('CLAIM').length, 0);
});

test('the claims of many clients are spread over time', () => {
  const at = [];
  for (let seed = 1; seed <= 200; seed += 1) {
    const { environment } = liveClient({ seed, state: { deadline_at: iso(10_000) } });
    answerPings(environment);
    while (!environment.socket.sentOfType('CLAIM').length) environment.advance(10);
    at.push(environment.now());
  }
  assert.ok(Math.min(...at) < 10_400 && Math.max(...at) > 10_850);
});

test('a claim that was due while disconnected is sent on the next connection', () => {
  const { environment } = liveClient({ state: { deadline_at: iso(10_000) } });
  environment.advance(5_000);
  environment.socket.end();
  environment.advance(8_000);
  environment.socket.open();
  environment.socket.deliver({
    type: 'CURRENT',
    timestamp: SERVER_START_MS + 13_000,
    ...versionFields(3),
  });
  answerPings(environment);
  environment.advance(3_000);
  assert.equal(environment.socket.sentOfType('CLAIM').length > 0, true);
});

test('an unanswered claim is repeated on the next connection', () => {
  const { environment } = liveClient({ state: { deadline_at: iso(1_000) } });
  answerPings(environment);
  environment.advance(3_000);
  assert.ok(environment.socket.sentOfType('CLAIM').length > 0);
  environment.socket.end();
  environment.advance(1_000);
  environment.socket.open();
  environment.socket.deliver({
    type: 'CURRENT',
    timestamp: SERVER_START_MS + environment.now(),
    ...versionFields(3),
  });
  answerPings(environment);
  environment.advance(2_000);
  assert.ok(environment.socket.sentOfType('CLAIM').length > 0);
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

// Closing sockets

test('nothing is sent on a closing socket, and a command fails at once', async () => {
  const { environment, client } = liveClient();
  answerPings(environment);
  const { socket } = environment;
  socket.startClosing();
  const before = socket.sent.length;

  await assert.rejects(client.command('switch'), { code: 'NOT_LIVE', outcome: 'unsent' });
  environment.advance(60_000);

  assert.equal(socket.sent.length, before);
});

// Tokens

const promisesSettled = () => new Promise((resolve) => setImmediate(resolve));

test('a token is sent as a subprotocol and is not part of the URL', () => {
  const { environment, client } = makeClient({ token: 'secret' });
  client.connect();

  assert.equal(environment.socket.protocol, 'bearer.secret');
  assert.ok(!environment.socket.url.includes('secret'));
});

test('without a token there is no subprotocol', () => {
  const { environment, client } = makeClient();
  client.connect();

  assert.equal(environment.socket.protocol, '');
});

test('a token function is called before every connection', async () => {
  let number = 0;
  const { environment, client, details } = makeClient({
    token: async () => `token-${(number += 1)}`,
  });
  client.connect();
  assert.deepEqual(details('connection'), ['connecting']);
  await promisesSettled();
  assert.equal(environment.socket.protocol, 'bearer.token-1');

  environment.socket.end();
  environment.advance(1_000);
  await promisesSettled();

  assert.equal(environment.sockets.length, 2);
  assert.equal(environment.socket.protocol, 'bearer.token-2');
});

test('a failed token function is called again after the backoff', async () => {
  let calls = 0;
  const token = () => {
    calls += 1;
    if (calls === 1) throw new Error('unreachable');
    return calls === 2 ? Promise.reject(new Error('still unreachable')) : 'secret';
  };
  const { environment, client } = makeClient({ token });
  client.connect();
  for (let number = 0; number < 2; number += 1) {
    await promisesSettled();
    assert.equal(environment.sockets.length, 0);
    environment.advance(4_000);
  }
  await promisesSettled();

  assert.equal(calls, 3);
  assert.equal(environment.socket.protocol, 'bearer.secret');
});

test('a token that arrives too late, or after close, opens no connection', async () => {
  /** @type {((token: string) => void)[]} */
  const resolvers = [];
  const token = () =>
    new Promise((/** @type {(token: string) => void} */ resolve) => resolvers.push(resolve));
  const { environment, client } = makeClient({ token });
  client.connect();
  environment.advance(10_000 + 1_000);
  assert.equal(resolvers.length, 2);

  resolvers[0]?.('too late');
  await promisesSettled();
  assert.equal(environment.sockets.length, 0);

  client.close();
  resolvers[1]?.('after the end');
  await promisesSettled();
  assert.equal(environment.sockets.length, 0);
});

test('a forbidden claim is not repeated and not reported', () => {
  const { environment, details } = liveClient({
    state: { deadline_at: new Date(SERVER_START_MS + 1_000).toISOString() },
  });
  answerPings(environment);
  environment.advance(5_000);
  const { socket } = environment;
  const before = socket.sentOfType('CLAIM').length;
  assert.ok(before >= 1);

  socket.deliver({
    type: 'ERROR',
    timestamp: SERVER_START_MS,
    code: 'FORBIDDEN',
    message: 'This token ...',
  });
  environment.advance(20_000);

  assert.equal(socket.sentOfType('CLAIM').length, before);
  assert.deepEqual(details('error'), []);
});

test('an invalid token is reported as an error', () => {
  const { environment, details } = liveClient();
  const message = {
    type: 'ERROR',
    timestamp: SERVER_START_MS,
    code: 'SESSION_FORBIDDEN',
    message: 'Token revoked',
  };

  environment.socket.deliver(message);

  assert.deepEqual(details('error'), [message]);
});
