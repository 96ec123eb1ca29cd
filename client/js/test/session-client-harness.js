/** A SessionClient in a fake environment, and the messages that a server sends it. */

import { SessionClient } from '../src/index.js';
import { makeParticipant, makeState, updatedAtOf, RUNNING } from './factories.js';
import { FakeEnvironment } from './fakes.js';

/** @import { SessionState } from '../src/types.js' */

export const SERVER_START_MS = 1_767_225_600_000;

/** @typedef {string | (() => string | Promise<string>)} Token */

/**
 * @param {{seed?: number, url?: string | (() => string), token?: Token,
 *   beforeOpening?: (protocol?: string) => void}} [how]
 */
export function makeClient({ seed = 1, url = 'ws://server/dev', token, beforeOpening } = {}) {
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

export const versionFields = (/** @type {number} */ version) => ({
  epoch: 'e',
  version,
  updatedAt: updatedAtOf(version),
});

export const connected = {
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
export function sync(version, state, more) {
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
export function update(version, state, more) {
  return { ...sync(version, state), type: 'STATE_UPDATE', events: [], ...more };
}

/** @param {Parameters<typeof makeClient>[0] & {state?: Partial<SessionState>}} [how] */
export function liveClient(how = {}) {
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
export function answerPings(environment, { forMs = 2_000, version = versionFields(3) } = {}) {
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

export const iso = (/** @type {number} */ ms) => new Date(SERVER_START_MS + ms).toISOString();

/** Resolves after the callbacks of all promises that are settled now. */
export const promisesSettled = () => new Promise((resolve) => setImmediate(resolve));
