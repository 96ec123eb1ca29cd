/**
 * The socket client: follows one session over any number of connections, and sends commands.
 *
 * Owns the socket, its token and the one timer. `SessionProtocol` decides what is sent, and when.
 *
 * @module
 */

import { browserEnvironment } from './environment.js';
import { notLive } from './errors.js';
import { SessionProtocol } from './session-protocol.js';

/** @import { ClientMessage, CommandName, Environment, Socket } from './types.js' */

const OPEN_TIMEOUT_MS = 10_000;

/** `readyState` of a socket that takes messages. */
const OPEN = 1;

/** @template T */
export class ClientEvent extends Event {
  /**
   * @param {string} type
   * @param {T} detail
   */
  constructor(type, detail) {
    super(type);
    this.detail = detail;
  }
}

/**
 * Dispatches `connection` (detail: a ConnectionState), `state` (the Snapshot, or null if there is
 * no session; again when the clock turns out to be behind), `events` (those of a new version, in
 * order) and `error` (an ERROR that answers no command, or why an attempt to connect failed).
 */
export class SessionClient extends EventTarget {
  #url;
  #token;
  #sessionId;
  #environment;
  #protocol;
  /** @type {Socket | null} */
  #socket = null;
  /** @type {object | null} */
  #attempt = null;
  /** @type {unknown} */
  #timer;
  #stopListening = () => {};
  #connectAtMs = Infinity;
  #openTimeoutAtMs = Infinity;

  /**
   * @param {object} options
   * @param {string | (() => string)} options.url of the stage, `wss://HOST/STAGE`; a function is
   *   called before every connection
   * @param {string} options.sessionId
   * @param {string | (() => string | Promise<string>)} [options.token] if the server requires
   *   one; a function is called before every connection, so that it can renew the token
   * @param {Partial<Environment>} [options.environment] replaces parts of the browser's
   */
  constructor({ url, sessionId, token, environment }) {
    super();
    this.#url = url;
    this.#token = token;
    this.#sessionId = sessionId;
    this.#environment = { ...browserEnvironment, ...environment };
    const dispatch = (/** @type {string} */ type) => (/** @type {unknown} */ detail) => {
      this.dispatchEvent(new ClientEvent(type, detail));
    };
    this.#protocol = new SessionProtocol(this.#environment, {
      onConnection: dispatch('connection'),
      onState: dispatch('state'),
      onEvents: dispatch('events'),
      onError: dispatch('error'),
      onWake: () => this.#wake(),
    });
  }

  get connection() {
    return this.#protocol.connection;
  }

  /** The newest state; null while there is no session. */
  get snapshot() {
    return this.#protocol.snapshot;
  }

  /** Why there is no session any more: `deleted`, `expired`, or null if that is not known. */
  get ending() {
    return this.#protocol.ending;
  }

  /** The server's time. */
  get clock() {
    return this.#protocol.clock;
  }

  /**
   * How far off the digits may be, in milliseconds: the error of the clock and, unless the
   * connection is live, the time since the state was confirmed.
   */
  get errorBoundMs() {
    return this.#protocol.errorBoundMs;
  }

  /**
   * Connect, and stay connected until `close`.
   *
   * @throws what `url` or the environment throws at the first attempt, unless the token comes from
   *   a function; later failures are `error` events
   */
  connect() {
    if (this.connection !== 'closed') return;
    this.#connect();
    const stopWaking = this.#environment.onWake(() => this.#wake());
    const stopOffline = this.#environment.onOffline(() => this.#onOffline());
    this.#stopListening = () => {
      stopWaking();
      stopOffline();
    };
    this.#protocol.start();
    this.#schedule();
  }

  /** Close the connection, and open no other. */
  close() {
    this.#stopListening();
    this.#dropSocket();
    this.#connectAtMs = Infinity;
    this.#protocol.stop();
    this.#schedule();
  }

  /**
   * Send a command. `switch` and `pause` name the current cycle, so that a double press of a
   * button is refused instead of switching twice.
   *
   * @param {CommandName} command
   * @param {Record<string, unknown>} [args] the same as over REST
   * @param {{expectedVersion?: number}} [options]
   * @returns {Promise<number>} the version that the command made
   * @throws {CommandError} the command failed, or its outcome is unknown
   */
  command(command, args = {}, options = {}) {
    return new Promise((resolve, reject) => {
      if (!this.#isWritable) throw notLive();
      this.#send([this.#protocol.sendCommand({ resolve, reject }, command, args, options)]);
      this.#schedule();
    });
  }

  #connect() {
    this.#connectAtMs = Infinity;
    this.#openTimeoutAtMs = this.#environment.now() + OPEN_TIMEOUT_MS;
    const token = this.#token;
    if (typeof token !== 'function') {
      this.#openSocket(token);
      return;
    }
    // The client may be closed, or the attempt time out, before the token arrives.
    const attempt = (this.#attempt = {});
    const isCurrent = () => attempt === this.#attempt;
    new Promise((resolve) => resolve(token())).then(
      (renewed) => isCurrent() && this.#openSocket(renewed),
      (error) => isCurrent() && this.#onFailed('TOKEN', 'The token function failed', error),
    );
  }

  /** @param {string} [token] */
  #openSocket(token) {
    let socket;
    try {
      const url = new URL(typeof this.#url === 'string' ? this.#url : this.#url());
      url.searchParams.set('sessionId', this.#sessionId);
      // Browsers can't set headers on a WebSocket, and a query string would end up in logs.
      socket = this.#environment.openSocket(url.href, token && `bearer.${token}`);
    } catch (error) {
      // The caller of `connect` is still there to handle it.
      if (this.connection === 'closed') throw error;
      this.#onFailed('CONNECTION', 'The connection could not be opened', error);
      return;
    }
    this.#socket = socket;
    socket.onopen = () => this.#onOpen();
    socket.onmessage = ({ data }) => this.#onMessage(data);
    socket.onclose = () => this.#onLost();
    // A close follows. Outside of browsers, an unhandled error would end the process.
    socket.onerror = () => {};
  }

  #onOpen() {
    this.#openTimeoutAtMs = Infinity;
    this.#send(this.#protocol.connectionOpened());
    this.#schedule();
  }

  /** @param {unknown} data */
  #onMessage(data) {
    this.#send(this.#protocol.receive(data));
    this.#schedule();
  }

  /**
   * An attempt failed before there was a connection.
   *
   * @param {string} stage
   * @param {string} what
   * @param {any} error
   */
  #onFailed(stage, what, error) {
    this.#onLost();
    // Only the error's class: its message may quote the token, as that of WebSocket does.
    const name = error instanceof Error ? error.name : 'Error';
    const message = `${what} (${name}); the client tries again`;
    this.dispatchEvent(new ClientEvent('error', { code: `${stage}_FAILED`, message }));
  }

  #onLost() {
    this.#dropSocket();
    const backoffMs = this.#protocol.connectionLost();
    // A listener may have closed the client.
    if (this.connection === 'closed') return;
    this.#connectAtMs = this.#environment.now() + backoffMs;
    this.#schedule();
  }

  /** Ignore the socket from now on, however long it takes to close. */
  #dropSocket() {
    const socket = this.#socket;
    this.#socket = this.#attempt = null;
    this.#openTimeoutAtMs = Infinity;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  #wake() {
    this.#protocol.wake();
    if (this.#connectAtMs < Infinity) this.#connectAtMs = this.#environment.now();
    this.#schedule();
  }

  #onOffline() {
    this.#protocol.suspect();
    this.#send(this.#protocol.tick());
    this.#schedule();
  }

  #onTimer() {
    const nowMs = this.#environment.now();
    if (nowMs >= this.#connectAtMs) this.#connect();
    if (nowMs >= this.#openTimeoutAtMs || this.#protocol.isDead) this.#onLost();
    this.#send(this.#protocol.tick());
    this.#schedule();
  }

  #schedule() {
    this.#environment.clearTimer(this.#timer);
    const dueAtMs = Math.min(this.#connectAtMs, this.#openTimeoutAtMs, this.#protocol.dueAtMs);
    if (dueAtMs < Infinity) {
      const delayMs = Math.max(0, dueAtMs - this.#environment.now());
      this.#timer = this.#environment.setTimer(() => this.#onTimer(), delayMs);
    }
  }

  /** False while the socket is closing, which ends only a while later. */
  get #isWritable() {
    return this.#socket?.readyState === OPEN;
  }

  /** @param {ClientMessage[]} messages */
  #send(messages) {
    if (!this.#isWritable) return;
    for (const message of messages) this.#socket?.send(JSON.stringify(message));
  }
}
