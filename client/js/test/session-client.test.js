import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CommandError, SessionClient } from '../src/index.js';
import { FakeWorld } from './fakes.js';
import { aParticipant, aState, madeAt, RUNNING } from './states.js';

/** @typedef {import('../src/types.js').SessionState} SessionState */

const TIME = 1_767_225_600_000;

/** @typedef {string | (() => string | Promise<string>)} Token */

/** @param {{seed?: number, url?: string | (() => string), token?: Token}} [how] */
function aClient({ seed = 1, url = 'ws://server/dev', token } = {}) {
  const world = new FakeWorld(seed);
  const client = new SessionClient({ url, sessionId: 'a b', token, world });
  /** @type {[string, any][]} */
  const told = [];
  for (const type of ['connection', 'state', 'events', 'refusal']) {
    client.addEventListener(type, (event) => told.push([type, /** @type {any} */ (event).detail]));
  }
  const all = (/** @type {string} */ type) =>
    told.filter((one) => one[0] === type).map((one) => one[1]);
  return { world, client, all };
}

const place = (/** @type {number} */ version) => ({
  epoch: 'e',
  version,
  updatedAt: madeAt(version),
});

const connected = { type: 'CONNECTED', timestamp: TIME, heartbeatIntervalMs: 30_000, protocol: 1 };

/**
 * @param {number} version
 * @param {Partial<SessionState>} [state]
 * @param {object} [more]
 */
function sync(version, state, more) {
  const whole = aState([aParticipant('a', RUNNING), aParticipant('b')], { version, ...state });
  return {
    type: 'STATE_SYNC',
    timestamp: TIME + version,
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

/** @param {Parameters<typeof aClient>[0] & {state?: Partial<SessionState>}} [how] */
function liveClient(how = {}) {
  const made = aClient(how);
  made.client.connect();
  made.world.socket.opens();
  made.world.socket.hears(connected);
  made.world.socket.hears(sync(3, how.state));
  return made;
}

/**
 * Answer the round of PINGs that follows a connection, at once.
 *
 * @param {FakeWorld} world
 */
function answerPings(world) {
  const { socket } = world;
  const pong = (/** @type {any} */ message) => {
    const timestamp = TIME + Math.floor(world.now());
    if (message.type !== 'PING') return;
    world.setTimer(
      () =>
        socket.hears({
          type: 'PONG',
          clientTime: message.clientTime,
          receivedAt: timestamp,
          timestamp,
          ...place(3),
        }),
      0,
    );
  };
  socket.onsent = pong;
  for (const message of socket.all('PING')) pong(message);
  world.pass(2_000);
}

test('it says connecting, live, reconnecting and closed', () => {
  const { world, client, all } = liveClient();
  world.socket.ends();
  world.pass(1_000);
  world.socket.opens();
  world.socket.hears({ type: 'CURRENT', timestamp: TIME, ...place(3) });
  client.close();

  assert.deepEqual(all('connection'), ['connecting', 'live', 'reconnecting', 'live', 'closed']);
  assert.ok(world.socket.closed);
  assert.equal(world.timers, 0);
  assert.equal(world.wakers, 0);
});

test('the session is named in the address, beside what the address has', () => {
  let asked = 0;
  const { world, client } = aClient({ url: () => `wss://host/prod?token=${(asked += 1)}` });
  client.connect();
  assert.equal(world.socket.url, 'wss://host/prod?token=1&sessionId=a+b');
  world.socket.ends();
  world.pass(1_000);
  assert.equal(world.socket.url, 'wss://host/prod?token=2&sessionId=a+b');
});

test('an address that is none is refused to who gave it', () => {
  const { client } = aClient({ url: 'nowhere' });
  assert.throws(() => client.connect(), TypeError);
  assert.equal(client.connection, 'closed');
});

test('versions are shown once and in order, with the events that made them', () => {
  const { world, client, all } = liveClient();
  const events = [{ type: 'cycle_switched', at: 'now' }];
  world.socket.hears(update(4, {}, { events }));
  world.socket.hears(update(4, {}, { events }));
  world.socket.hears(update(3));

  assert.deepEqual(
    all('state').map((one) => one.version),
    [3, 4],
  );
  assert.deepEqual(all('events'), [events]);
  assert.equal(client.held?.version, 4);
  assert.deepEqual(world.socket.all('RECONNECT'), []);
});

test('after a loss it resumes with what it holds, and is live once that is answered', () => {
  const { world, client } = liveClient();
  world.socket.ends();
  world.pass(1_000);
  world.socket.opens();
  assert.deepEqual(world.socket.sent[0], { type: 'RECONNECT', ...place(3) });
  world.socket.hears(connected);
  assert.equal(client.connection, 'reconnecting');
  world.socket.hears(sync(2, {}, { epoch: 'another' }));

  assert.equal(client.connection, 'live');
  assert.equal(client.held?.epoch, 'another');
});

test('connections are tried again after a random part of a delay that doubles up to 30 s', () => {
  /** @type {number[][]} */
  const waits = [[], [], [], [], [], [], []];
  for (let seed = 1; seed <= 400; seed += 1) {
    const { world, client } = aClient({ seed });
    client.connect();
    for (const those of waits) {
      const count = world.sockets.length;
      const since = world.now();
      world.socket.ends();
      while (world.sockets.length === count) world.pass(Math.max(0, world.nextAt - world.now()));
      those.push(world.now() - since);
    }
  }

  for (const [failures, those] of waits.entries()) {
    const longest = Math.min(30_000, 1_000 * 2 ** failures);
    const mean = those.reduce((sum, one) => sum + one) / those.length;
    assert.ok(Math.max(...those) <= longest && Math.min(...those) < longest / 10);
    assert.ok(Math.abs(mean / longest - 0.5) < 0.1, `${mean} of ${longest}`);
  }
});

test('a connection that was live is not held against the next one', () => {
  const { world } = liveClient();
  for (let time = 0; time < 5; time += 1) {
    world.socket.ends();
    world.pass(1_000);
    world.socket.opens();
    world.socket.hears({ type: 'CURRENT', timestamp: TIME, ...place(3) });
  }
  assert.equal(world.sockets.length, 6);
});

test('who hears nothing asks after two seconds, again and again', () => {
  const { world, client } = aClient();
  client.connect();
  world.socket.opens();
  world.pass(1_999);
  assert.deepEqual(world.socket.all('RECONNECT'), []);
  world.pass(1);
  world.pass(2_000);
  assert.deepEqual(world.socket.all('RECONNECT'), [{ type: 'RECONNECT' }, { type: 'RECONNECT' }]);
  world.socket.hears({ type: 'SESSION_DELETED', timestamp: TIME });
  world.pass(10_000);

  assert.equal(world.socket.all('RECONNECT').length, 2);
  assert.equal(client.connection, 'live');
});

test('a heartbeat is sent as often as CONNECTED says', () => {
  const { client, world } = aClient();
  client.connect();
  world.socket.opens();
  world.socket.hears({ ...connected, heartbeatIntervalMs: 5_000 });
  world.socket.hears(sync(3));
  answerPings(world);
  world.pass(60_000 - world.now());
  const count = world.socket.all('PING').length;

  assert.ok(count >= 10 + 11 && count <= 10 + 13, `${count}`);
});

test('a CONNECTED that comes late brings the next heartbeat forward, and never puts it off', () => {
  for (const [heartbeatIntervalMs, inMs] of /** @type {const} */ ([
    [5_000, 5_000],
    [60_000, 19_000],
  ])) {
    const { client, world } = aClient();
    client.connect();
    world.socket.opens();
    world.socket.hears(sync(3));
    answerPings(world);
    world.pass(12_000 - world.now());
    world.socket.hears({ ...connected, heartbeatIntervalMs });
    const count = world.socket.all('PING').length;
    world.pass(inMs - 1_100);
    assert.equal(world.socket.all('PING').length, count);
    world.pass(1_100);
    assert.equal(world.socket.all('PING').length, count + 1);
  }
});

test('a connection that has been silent for three of the heartbeats told is given up', () => {
  for (const heartbeatIntervalMs of [5_000, 60_000]) {
    const { client, world } = aClient();
    client.connect();
    world.socket.opens();
    world.socket.hears({ ...connected, heartbeatIntervalMs });
    world.pass(3 * heartbeatIntervalMs - 1);
    assert.equal(client.connection, 'live');
    world.pass(1);
    assert.equal(client.connection, 'reconnecting');
  }
});

test('a connection that has been silent for three heartbeats is given up', () => {
  const { world, client } = liveClient();
  const first = world.socket;
  world.pass(89_999);
  assert.equal(client.connection, 'live');
  world.pass(1);
  assert.equal(client.connection, 'reconnecting');
  assert.ok(first.closed);
  world.pass(1_000);
  assert.notEqual(world.socket, first);
  first.hears(update(9));
  assert.equal(client.held?.version, 3);
});

test('a handshake that does not end is given up', () => {
  const { world, client } = aClient();
  client.connect();
  world.pass(11_000);
  assert.ok(world.sockets.length > 1);
  assert.equal(client.connection, 'connecting');
});

test('a PONG that differs is believed after a second, unless the update comes', () => {
  const { world } = liveClient();
  const differs = {
    type: 'PONG',
    clientTime: 0,
    receivedAt: TIME,
    timestamp: TIME,
    ...place(4),
  };
  world.socket.hears(differs);
  world.pass(900);
  world.socket.hears(update(4));
  world.pass(5_000);
  assert.deepEqual(world.socket.all('RECONNECT'), []);
  world.socket.hears({ ...differs, ...place(5) });
  world.pass(999);
  assert.deepEqual(world.socket.all('RECONNECT'), []);
  world.pass(1);
  assert.deepEqual(world.socket.all('RECONNECT'), [{ type: 'RECONNECT', ...place(4) }]);
});

test('a PONG of no session makes it ask, and the answer clears what is held', () => {
  const { world, client, all } = liveClient();
  world.socket.hears({ type: 'PONG', clientTime: 0, receivedAt: TIME, timestamp: TIME });
  world.pass(1_000);
  assert.equal(world.socket.all('RECONNECT').length, 1);
  world.socket.hears({ type: 'SESSION_DELETED', timestamp: TIME });

  assert.equal(client.held, null);
  assert.equal(all('state').at(-1), null);
});

test('a store that fell behind and counts on is told by its later timestamp', () => {
  const { world, client } = liveClient();
  world.socket.hears(update(2, {}, { timestamp: TIME + 5_000 }));
  assert.deepEqual(world.socket.all('RECONNECT'), [{ type: 'RECONNECT' }]);
  world.socket.hears(sync(2, {}, { timestamp: TIME + 5_001 }));
  assert.equal(client.held?.version, 2);
});

test('what the gateway says of itself, and what is no JSON, is no message', () => {
  const { world, client } = liveClient();
  world.socket.hears({ message: 'Internal server error', connectionId: 'x', requestId: 'y' });
  world.socket.onmessage?.({ data: 'nonsense' });
  assert.equal(client.connection, 'live');
});

test('switch and pause name the cycle that is on the screen', () => {
  const { world, client } = liveClient();
  client.command('switch', { next_participant_id: 'b' });
  client.command('pause');
  client.command('switch', { current_participant_id: 'b' });
  client.command('adjust', { delta_ms: 5 }, { expectedVersion: 3 });

  assert.deepEqual(
    world.socket.all('COMMAND').map(({ id, ...rest }) => (assert.ok(id), rest)),
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
  const ids = world.socket.all('COMMAND').map((one) => one.id);
  assert.equal(new Set(ids).size, 4);
});

test('a command is fulfilled by its ACK, with the version it made', async () => {
  const { world, client } = liveClient();
  const [first, second] = [client.command('switch'), client.command('undo')];
  const [one, other] = world.socket.all('COMMAND');
  world.socket.hears({ type: 'ACK', timestamp: TIME, id: other.id, version: 5 });
  world.socket.hears({ type: 'ACK', timestamp: TIME, id: one.id, version: 4 });

  assert.deepEqual(await Promise.all([first, second]), [4, 5]);
});

/**
 * @param {Promise<unknown>} promise
 * @param {string} code
 * @param {string} outcome
 */
async function isRefused(promise, code, outcome) {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof CommandError);
    assert.deepEqual([error.code, error.outcome], [code, outcome]);
    return true;
  });
}

test('a refused command fails with the code of the server', async () => {
  const { world, client, all } = liveClient();
  const promise = client.command('switch');
  const { id } = world.socket.sent.at(-1);
  world.socket.hears({
    type: 'ERROR',
    timestamp: TIME,
    code: 'STALE_CYCLE',
    message: 'Somebody else is',
    id,
  });

  await isRefused(promise, 'STALE_CYCLE', 'refused');
  world.socket.hears({
    type: 'ERROR',
    timestamp: TIME,
    code: 'STORE_UNAVAILABLE',
    message: 'Gone',
  });
  assert.equal(all('refusal')[0].code, 'STORE_UNAVAILABLE');
});

test('a command is never kept for later: not live, it fails at once and is not sent', async () => {
  const { world, client } = aClient();
  await isRefused(client.command('switch'), 'NOT_LIVE', 'unsent');
  client.connect();
  await isRefused(client.command('switch'), 'NOT_LIVE', 'unsent');
  world.socket.opens();
  world.socket.hears(connected);
  await isRefused(client.command('switch'), 'NOT_LIVE', 'unsent');
  world.socket.hears(sync(3));
  world.socket.ends();
  await isRefused(client.command('switch'), 'NOT_LIVE', 'unsent');
  world.pass(1_000);
  world.socket.opens();
  world.socket.hears({ type: 'CURRENT', timestamp: TIME, ...place(3) });
  world.pass(60_000);

  assert.deepEqual(
    world.sockets.flatMap((one) => one.all('COMMAND')),
    [],
  );
});

test('what became of a command is unknown when the connection is lost before the ACK', async () => {
  const { world, client } = liveClient();
  const promise = client.command('switch');
  world.socket.ends();
  await isRefused(promise, 'CONNECTION_LOST', 'unknown');
});

test('what became of a command is unknown when no ACK comes', async () => {
  const { world, client } = liveClient();
  const promise = client.command('switch');
  world.pass(10_000);
  await isRefused(promise, 'NO_ANSWER', 'unknown');
  assert.equal(client.connection, 'live');
});

test('who closes the client while a command is under way is told that it is unknown', async () => {
  const { client } = liveClient();
  const promise = client.command('switch');
  client.close();
  await isRefused(promise, 'CONNECTION_LOST', 'unknown');
});

const iso = (/** @type {number} */ ms) => new Date(TIME + ms).toISOString();

test('a clock at zero is claimed after a moment, and then with growing patience', () => {
  const { world } = liveClient({ state: { deadline_at: iso(10_000) } });
  answerPings(world);
  world.pass(10_200 - world.now());
  assert.equal(world.socket.all('CLAIM').length, 0);
  world.pass(1_100);
  assert.equal(world.socket.all('CLAIM').length, 1);
  world.pass(60_000);
  const claims = world.socket.all('CLAIM').length;
  assert.ok(claims >= 4 && claims <= 10, `${claims}`);
});

test('who is told in time claims nothing', () => {
  const { world } = liveClient({ state: { deadline_at: iso(10_000) } });
  answerPings(world);
  world.pass(10_100 - world.now());
  world.socket.hears(update(4, { status: 'expired', deadline_at: null }));
  world.pass(60_000);
  assert.equal(world.socket.all('CLAIM').length, 0);
});

test('of a thousand that see a clock at zero few claim at once', () => {
  const at = [];
  for (let seed = 1; seed <= 200; seed += 1) {
    const { world } = liveClient({ seed, state: { deadline_at: iso(10_000) } });
    answerPings(world);
    while (!world.socket.all('CLAIM').length) world.pass(10);
    at.push(world.now());
  }
  assert.ok(Math.min(...at) < 10_400 && Math.max(...at) > 10_850);
});

test('a claim outlives the connection it could not be made on', () => {
  const { world } = liveClient({ state: { deadline_at: iso(10_000) } });
  world.pass(5_000);
  world.socket.ends();
  world.pass(8_000);
  world.socket.opens();
  world.socket.hears({ type: 'CURRENT', timestamp: TIME + 13_000, ...place(3) });
  answerPings(world);
  world.pass(3_000);
  assert.equal(world.socket.all('CLAIM').length > 0, true);
});

test('a claim that was not heard is made again on the next connection', () => {
  const { world } = liveClient({ state: { deadline_at: iso(1_000) } });
  answerPings(world);
  world.pass(3_000);
  assert.ok(world.socket.all('CLAIM').length > 0);
  world.socket.ends();
  world.pass(1_000);
  world.socket.opens();
  world.socket.hears({ type: 'CURRENT', timestamp: TIME + world.now(), ...place(3) });
  answerPings(world);
  world.pass(2_000);
  assert.ok(world.socket.all('CLAIM').length > 0);
});

test('each connection has a round of PINGs of its own', () => {
  const { world } = liveClient();
  answerPings(world);
  const first = world.socket.all('PING').length;
  world.socket.ends();
  world.pass(1_000);
  world.socket.opens();
  world.socket.hears({ type: 'CURRENT', timestamp: TIME, ...place(3) });
  answerPings(world);
  assert.equal(first, 11);
  assert.equal(world.socket.all('PING').length, first);
});

test('who wakes measures again, and gives up a connection that does not answer', () => {
  const { world, client } = liveClient();
  answerPings(world);
  const count = world.socket.all('PING').length;
  world.socket.onsent = () => {};
  world.wake();
  world.pass(0);
  assert.equal(world.socket.all('PING').length, count + 1);
  world.pass(4_999);
  assert.equal(client.connection, 'live');
  world.pass(1);
  assert.equal(client.connection, 'reconnecting');
});

test('who wakes between two connections does not wait any longer', () => {
  const { world, client } = aClient();
  client.connect();
  for (let failures = 0; failures < 6; failures += 1) {
    world.socket.ends();
    world.pass(failures < 5 ? 30_000 : 0);
  }
  const count = world.sockets.length;
  world.wake();
  world.pass(0);
  assert.equal(world.sockets.length, count + 1);
});

test('a sleep in which no timer came is noticed by the next one', () => {
  const { world } = liveClient();
  answerPings(world);
  world.slept += 3_600_000;
  const count = world.socket.all('PING').length;
  world.pass(30_000);
  assert.ok(world.socket.all('PING').length > count + 1);
});

test('what is held is told of again when a sleep has put the clock behind, and only then', () => {
  const { world, client, all } = liveClient();
  answerPings(world);
  const hears = (/** @type {number} */ asleepMs) =>
    world.socket.hears({
      type: 'CURRENT',
      timestamp: Math.floor(TIME + world.now() + asleepMs),
      ...place(3),
    });
  hears(0);
  assert.equal(all('state').length, 1);
  world.slept += 3_000;
  hears(3_000);
  hears(3_000);
  assert.deepEqual(all('state'), [client.held, client.held]);
});

test('after a sleep through which the clock went on the connection is given up at once', () => {
  const { world, client } = liveClient();
  answerPings(world);
  world.skip(3_600_000);
  world.pass(0);
  assert.equal(client.connection, 'reconnecting');
  world.pass(1_000);
  world.socket.opens();
  assert.deepEqual(
    world.socket.sent.map((one) => one.type),
    ['RECONNECT', 'PING'],
  );
});

test('an update that is applied once more is told of once', () => {
  const { world, client, all } = liveClient();
  const events = (/** @type {string} */ type) => ({ events: [{ type, at: 'then' }] });
  world.socket.hears(update(9, {}, { epoch: 'another' }));
  world.socket.hears(update(4, {}, events('first')));
  world.socket.hears(update(5, {}, { ...events('second'), timestamp: TIME + 4 }));
  world.socket.hears(sync(3));

  assert.equal(client.held?.version, 5);
  assert.deepEqual(
    all('events')
      .flat()
      .map((one) => one.type),
    ['first', 'second'],
  );
});

test('a listener may close the client, and nothing comes after', () => {
  const { world, client, all } = aClient();
  client.addEventListener('state', () => client.close());
  client.connect();
  world.socket.opens();
  world.socket.hears(sync(3, { deadline_at: iso(0) }));
  world.pass(600_000);

  assert.equal(all('connection').at(-1), 'closed');
  assert.equal(world.timers, 0);
  assert.equal(world.sockets.length, 1);
});

test('nor does it when there was more to come of the same answer', () => {
  const { world, client } = liveClient();
  const due = { deadline_at: iso(0) };
  world.socket.hears(update(9, {}, { epoch: 'another' }));
  world.socket.hears(update(5, due));
  client.addEventListener('state', () => client.close(), { once: true });
  world.socket.hears(sync(4, due));
  assert.equal(world.timers, 0);
});

// A connection that is about to end

test('a socket that is ending is sent nothing, and a command fails at once', async () => {
  const { world, client } = liveClient();
  answerPings(world);
  world.socket.isEnding();
  const before = world.socket.sent.length;

  world.pass(60_000);
  await assert.rejects(client.command('switch'), { code: 'NOT_LIVE', outcome: 'unsent' });

  assert.equal(world.socket.sent.length, before);
});

// Tokens

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('a token goes as a subprotocol, and stands in no address', () => {
  const { world, client } = aClient({ token: 'secret' });
  client.connect();

  assert.equal(world.socket.protocol, 'bearer.secret');
  assert.ok(!world.socket.url.includes('secret'));
});

test('without one there is no subprotocol', () => {
  const { world, client } = aClient();
  client.connect();

  assert.equal(world.socket.protocol, '');
});

test('a function is asked for a token before every connection', async () => {
  let number = 0;
  const { world, client, all } = aClient({ token: async () => `token-${(number += 1)}` });
  client.connect();
  assert.deepEqual(all('connection'), ['connecting']);
  await settled();
  assert.equal(world.socket.protocol, 'bearer.token-1');

  world.socket.ends();
  world.pass(1_000);
  await settled();

  assert.equal(world.sockets.length, 2);
  assert.equal(world.socket.protocol, 'bearer.token-2');
});

test('a token that can not be had is asked for again, as if a connection had been lost', async () => {
  let asked = 0;
  const token = () => {
    asked += 1;
    if (asked === 1) throw new Error('nobody there');
    return asked === 2 ? Promise.reject(new Error('nor there')) : 'secret';
  };
  const { world, client } = aClient({ token });
  client.connect();
  for (let number = 0; number < 2; number += 1) {
    await settled();
    assert.equal(world.sockets.length, 0);
    world.pass(4_000);
  }
  await settled();

  assert.equal(asked, 3);
  assert.equal(world.socket.protocol, 'bearer.secret');
});

test('a token that takes too long, or comes after the end, opens nothing', async () => {
  /** @type {((token: string) => void)[]} */
  const given = [];
  const token = () =>
    new Promise((/** @type {(token: string) => void} */ give) => given.push(give));
  const { world, client } = aClient({ token });
  client.connect();
  world.pass(10_000 + 1_000);
  assert.equal(given.length, 2);

  given[0]?.('too late');
  await settled();
  assert.equal(world.sockets.length, 0);

  client.close();
  given[1]?.('after the end');
  await settled();
  assert.equal(world.sockets.length, 0);
});

test('who may not claim is told so once, and the page nothing of it', () => {
  const { world, all } = liveClient({
    state: { deadline_at: new Date(TIME + 1_000).toISOString() },
  });
  answerPings(world);
  world.pass(5_000);
  const { socket } = world;
  const before = socket.all('CLAIM').length;
  assert.ok(before >= 1);

  socket.hears({ type: 'ERROR', timestamp: TIME, code: 'FORBIDDEN', message: 'This token ...' });
  world.pass(20_000);

  assert.equal(socket.all('CLAIM').length, before);
  assert.deepEqual(all('refusal'), []);
});

test('a token that holds no more is told as a refusal', () => {
  const { world, all } = liveClient();
  const refusal = { type: 'ERROR', timestamp: TIME, code: 'SESSION_FORBIDDEN', message: 'No more' };

  world.socket.hears(refusal);

  assert.deepEqual(all('refusal'), [refusal]);
});
