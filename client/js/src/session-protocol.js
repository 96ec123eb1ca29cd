/**
 * The socket protocol of one session, without sockets or timers (sans-I/O).
 *
 * Owns heartbeats, claims, pending commands and the reconnect backoff. `StateSync` owns the
 * snapshot, `ServerClock` the time, `FailureDetector` the doubt. A command is never queued: it is sent now or fails now,
 * because a "switch" from a minute ago is no longer wanted.
 *
 * @module
 */

import { CommandError, notLive, outcomeUnknown } from './errors.js';
import { FailureDetector, PROBE_INTERVAL_MS, PROBE_TIMEOUT_MS } from './failure-detector.js';
import { ServerClock } from './server-clock.js';
import { StateSync, isSessionMissing } from './state-sync.js';

/**
 * @import { ClientMessage, CommandName, ConnectionState, Environment } from './types.js'
 * @import { ServerMessage, SessionEvent, Snapshot } from './types.js'
 */

/** Until CONNECTED says otherwise. */
const HEARTBEAT_MS = 30_000;

/** The server has closed a connection that was silent for so many heartbeats. */
const MISSED_HEARTBEATS = 3;

const INITIAL_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 30_000;
const COMMAND_TIMEOUT_MS = 10_000;

/** A correction of the clock from which on the displayed digits are wrong. */
const STEP_MS = 50;

/** The server reports timeouts promptly, so a short delay makes nearly every CLAIM unnecessary. */
const CLAIM_DELAY_MS = 250;
const CLAIM_SPREAD_MS = 750;
const MAX_CLAIM_DELAY_MS = 30_000;

/**
 * What to call when the connection, the snapshot or events change, on errors, and when the
 * machine has slept.
 *
 * @typedef {object} Callbacks
 * @property {(connection: ConnectionState) => void} onConnection
 * @property {(snapshot: Snapshot | null) => void} onState
 * @property {(events: SessionEvent[]) => void} onEvents
 * @property {(error: {code: string, message: string}) => void} onError
 * @property {() => void} onWake
 */

/**
 * Receives the result of a command.
 *
 * @typedef {object} PendingCommand
 * @property {(version: number) => void} resolve
 * @property {(error: CommandError) => void} reject
 */

/** One session. Methods return the messages to send; call `tick` at `dueAtMs`. */
export class SessionProtocol {
  /** @type {ConnectionState} */
  connection = 'closed';

  #environment;
  #callbacks;
  #sync;
  #detector = new FailureDetector();
  #heartbeatMs = HEARTBEAT_MS;
  #isOpen = false;
  #isInDoubt = false;
  #failures = 0;
  #commandCount = 0;
  #claimsSent = 0;
  #mayClaim = true;
  /** @type {Map<string, PendingCommand & {sentAtMs: number}>} */
  #pending = new Map();
  #pingAtMs = Infinity;
  #deadAtMs = Infinity;
  #claimAtMs = Infinity;
  /** Of the last CLAIM, until an answer arrives. */
  #claimedAtMs = NaN;

  /**
   * @param {Environment} environment
   * @param {Callbacks} callbacks
   */
  constructor(environment, callbacks) {
    this.#environment = environment;
    this.#callbacks = callbacks;
    this.#sync = new StateSync((snapshot, events) => this.#onSnapshot(snapshot, events));
    this.clock = new ServerClock(environment, callbacks.onWake);
  }

  /** @returns {Snapshot | null} The newest state; null while there is no session. */
  get snapshot() {
    return this.#sync.snapshot;
  }

  /** Why there is no session any more, if that is known. */
  get ending() {
    return this.#sync.ending;
  }

  /**
   * How far off the digits may be: the error of the clock and, unless the connection is live, the
   * time since the state was confirmed. A pause since then would make them wrong by that much.
   */
  get errorBoundMs() {
    const unconfirmedMs =
      this.connection === 'live' ? 0 : this.#environment.now() - this.#detector.confirmedAtMs;
    return this.clock.errorBoundMs + unconfirmedMs;
  }

  /** Whether the connection has been silent for too long. */
  get isDead() {
    return this.#environment.now() >= Math.min(this.#deadAtMs, this.#detector.lostAtMs);
  }

  /** When to call `tick` next, or to give the connection up. */
  get dueAtMs() {
    const { doubtAtMs, lostAtMs } = this.#detector;
    return Math.min(
      this.#pingAtMs,
      this.#deadAtMs,
      this.#isInDoubt ? lostAtMs : doubtAtMs,
      this.#claimAtMs,
      this.#sync.dueAtMs,
      ...[...this.#pending.values()].map((one) => one.sentAtMs + COMMAND_TIMEOUT_MS),
    );
  }

  /** The client wants to connect. */
  start() {
    this.#setConnection('connecting');
  }

  /** The client does not want to be connected any more. */
  stop() {
    this.#resetConnection();
    this.#failures = 0;
    this.#setConnection('closed');
  }

  /**
   * A connection is open.
   *
   * @returns {ClientMessage[]}
   */
  connectionOpened() {
    const nowMs = this.#environment.now();
    this.#isOpen = this.#mayClaim = true;
    this.#pingAtMs = nowMs;
    this.#deadAtMs = nowMs + MISSED_HEARTBEATS * this.#heartbeatMs;
    this.clock.resync();
    return [...this.#sync.connectionOpened(nowMs), ...this.tick()];
  }

  /**
   * The connection ended or could not be opened.
   *
   * @returns {number} the backoff before the next attempt, in milliseconds
   */
  connectionLost() {
    this.#resetConnection();
    const backoffMs = Math.min(MAX_BACKOFF_MS, INITIAL_BACKOFF_MS * 2 ** this.#failures);
    this.#failures += 1;
    // A client that was never live is still connecting.
    if (this.connection === 'live' || this.connection === 'unconfirmed') {
      this.#setConnection('reconnecting');
    }
    return this.#environment.random() * backoffMs;
  }

  #resetConnection() {
    this.#isOpen = this.#isInDoubt = false;
    this.#detector.reset();
    this.#claimedAtMs = NaN;
    this.#pingAtMs = this.#deadAtMs = this.#claimAtMs = Infinity;
    this.#claimsSent = 0;
    this.#sync.connectionLost();
    for (const id of [...this.#pending.keys()]) this.#fail(id, 'CONNECTION_LOST');
  }

  /** The machine has slept, or the page is visible again. */
  wake() {
    const nowMs = this.#environment.now();
    this.clock.resync();
    if (this.#isOpen) {
      this.#pingAtMs = nowMs;
      this.#deadAtMs = Math.min(this.#deadAtMs, nowMs + PROBE_TIMEOUT_MS);
    }
  }

  /** The network is reported to be gone. */
  suspect() {
    if (this.#isOpen) this.#detector.suspect(this.#environment.now());
  }

  /**
   * Process a message from the server.
   *
   * @param {unknown} data
   * @returns {ClientMessage[]}
   */
  receive(data) {
    const message = parse(data);
    // API Gateway's own errors have no type.
    if (!message?.type) return [];
    const nowMs = this.#environment.now();
    if (message.type === 'CONNECTED') {
      this.#heartbeatMs = message.heartbeatIntervalMs;
      this.#pingAtMs = Math.min(this.#pingAtMs, nowMs + this.#heartbeatMs);
    }
    this.#deadAtMs = nowMs + MISSED_HEARTBEATS * this.#heartbeatMs;
    const before = this.clock.now();
    this.#confirm(message, nowMs);
    this.clock.receiveTimestamp(message.timestamp);
    const stepMs = this.clock.now() - before;
    // The server's time is known more precisely now.
    if (message.type === 'PONG' && !this.#claimsSent) this.#scheduleClaim();
    if (message.type === 'ACK') this.#settle(message.id)?.resolve(message.version);
    if (message.type === 'ERROR') this.#receiveError(message);
    const toSend = this.#sync.receive(message, nowMs);
    // Otherwise the display would keep its digits until the next change at the wrong time.
    if (stepMs > STEP_MS && this.snapshot) this.#callbacks.onState(this.snapshot);
    if (this.#sync.isLive && this.connection !== 'live' && !this.#isInDoubt) {
      this.#setConnection('live');
    }
    return toSend;
  }

  /**
   * Tell the failure detector what this message answers, and the clock what it measures.
   *
   * @param {ServerMessage} message
   * @param {number} nowMs
   */
  #confirm(message, nowMs) {
    const detector = this.#detector;
    if (message.type === 'PONG') {
      const isMeasured = this.clock.receivePong(message);
      detector.answered(message.clientTime, isMeasured ? nowMs : undefined);
      // Not before: a server too slow to answer must not be asked ever faster.
      this.#failures = 0;
    } else if (message.type === 'ACK' || (message.type === 'ERROR' && message.id)) {
      const sentAtMs = this.#pending.get(message.id ?? '')?.sentAtMs;
      if (sentAtMs !== undefined) detector.answered(sentAtMs);
    } else if (message.type !== 'CONNECTED' && this.#claimedAtMs) {
      // CURRENT, or the update that was due.
      detector.answered(this.#claimedAtMs);
      this.#claimedAtMs = NaN;
    }
    this.#isInDoubt &&= nowMs >= detector.doubtAtMs;
  }

  /**
   * Send what is due, and fail commands that got no answer.
   *
   * @returns {ClientMessage[]}
   */
  tick() {
    const nowMs = this.#environment.now();
    for (const [id, { sentAtMs }] of this.#pending) {
      if (nowMs >= sentAtMs + COMMAND_TIMEOUT_MS) this.#fail(id, 'NO_ANSWER');
    }
    if (!this.#isOpen) return [];
    const toSend = this.#sync.tick(nowMs);
    if (!this.#isInDoubt && nowMs >= this.#detector.doubtAtMs) {
      this.#isInDoubt = true;
      this.#pingAtMs = nowMs;
      if (this.connection === 'live') this.#setConnection('unconfirmed');
    }
    if (nowMs >= this.#pingAtMs) {
      toSend.push(this.clock.ping());
      this.#detector.sent(nowMs);
      const intervalMs = this.clock.pingIntervalMs(this.#heartbeatMs);
      this.#pingAtMs =
        nowMs + (this.#isInDoubt ? Math.min(intervalMs, PROBE_INTERVAL_MS) : intervalMs);
    }
    if (nowMs >= this.#claimAtMs) {
      this.#claimsSent += 1;
      this.#claimedAtMs = nowMs;
      this.#detector.sent(nowMs);
      toSend.push({ type: 'CLAIM' });
      this.#scheduleClaim();
    }
    return toSend;
  }

  /**
   * The message of a command; `pending` receives the version that it made.
   *
   * @param {PendingCommand} pending
   * @param {CommandName} command
   * @param {Record<string, unknown>} args
   * @param {{expectedVersion?: number}} options
   * @returns {ClientMessage}
   * @throws {CommandError} there is no live session
   */
  sendCommand(pending, command, args, options) {
    const { snapshot } = this;
    if (this.connection !== 'live' || !snapshot) throw notLive();
    const current_participant_id = snapshot.state.active_participant_id;
    if (current_participant_id && (command === 'switch' || command === 'pause')) {
      args = { current_participant_id, ...args };
    }
    const id = `c${(this.#commandCount += 1)}`;
    const sentAtMs = this.#environment.now();
    this.#pending.set(id, { ...pending, sentAtMs });
    this.#detector.sent(sentAtMs);
    return { type: 'COMMAND', id, command, args, ...options };
  }

  /** @param {ServerMessage & {type: 'ERROR'}} error */
  #receiveError(error) {
    const pending = this.#settle(error.id ?? '');
    if (pending) pending.reject(new CommandError(error.code, error.message, 'refused'));
    else if (error.code === 'FORBIDDEN') {
      // Of the messages without an id, only CLAIM needs a permission. It is not reported: a
      // viewer's client claims by itself.
      this.#mayClaim = false;
      this.#scheduleClaim();
    } else if (!isSessionMissing(error)) this.#callbacks.onError(error);
  }

  /**
   * @param {Snapshot | null} snapshot
   * @param {SessionEvent[]} events
   */
  #onSnapshot(snapshot, events) {
    this.#claimsSent = 0;
    this.#scheduleClaim();
    this.#callbacks.onState(snapshot);
    if (events.length) this.#callbacks.onEvents(events);
  }

  /** Claim shortly after the deadline, which is when the first clock reaches zero. */
  #scheduleClaim() {
    const { deadline_at } = this.snapshot?.state ?? {};
    this.#claimAtMs = Infinity;
    if (!deadline_at || !this.#isOpen || !this.#mayClaim) return;
    const leftMs = Math.max(0, Date.parse(deadline_at) - this.clock.now());
    const spreadMs = this.#environment.random() * CLAIM_SPREAD_MS;
    const delayMs = (CLAIM_DELAY_MS + spreadMs) * 2 ** this.#claimsSent;
    this.#claimAtMs = this.#environment.now() + leftMs + Math.min(delayMs, MAX_CLAIM_DELAY_MS);
  }

  /**
   * The command that an answer belongs to; it is no longer pending.
   *
   * @param {string} id
   */
  #settle(id) {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  /**
   * @param {string} id
   * @param {string} code
   */
  #fail(id, code) {
    this.#settle(id)?.reject(outcomeUnknown(code));
  }

  /** @param {ConnectionState} connection */
  #setConnection(connection) {
    this.connection = connection;
    this.#callbacks.onConnection(connection);
  }
}

/** @type {(data: unknown) => ServerMessage | null} */
function parse(data) {
  try {
    return JSON.parse(String(data));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
