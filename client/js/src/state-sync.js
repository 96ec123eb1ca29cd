/**
 * Keeps the snapshot of one session in sync with the server: a state machine without I/O.
 *
 * Owns the snapshot, detects missed and superseded versions, and decides when to send RECONNECT.
 * Messages and instants come in, messages to send go out. The rules are in docs/protocol.md of
 * the project, "Following a session".
 *
 * @module
 */

import { applyUpdate, joinPages, snapshotFrom } from './state-merge.js';
import { isCoveredBy, isSameVersion, stateVersionOf } from './state-version.js';

/**
 * @import { ClientMessage, ServerMessage, SessionEvent, Snapshot, StateMessage } from './types.js'
 * @import { StateVersion } from './types.js'
 */

const RESPONSE_TIMEOUT_MS = 2_000;

/** How long a PONG may differ from the snapshot: the update may still arrive. */
const MISMATCH_GRACE_MS = 1_000;

/** Bounds the updates that are buffered until a RECONNECT is answered. */
const MAX_BUFFERED_UPDATES = 4_096;

export class StateSync {
  /** @type {Snapshot | null} Null while there is no session. */
  snapshot = null;

  /** @type {'deleted' | 'expired' | null} Why there is no session any more, if that is known. */
  ending = null;

  /** Whether this connection has been welcomed, or the RECONNECT that opened it answered. */
  isLive = false;

  #isWelcomed = false;
  #awaitsResponse = false;
  #initialSyncUntilMs = -Infinity;
  #retryAtMs = Infinity;
  #mismatchUntilMs = Infinity;
  /** @type {StateVersion} */
  #mismatch = {};
  /** @type {StateMessage[]} */
  #buffered = [];
  /** @type {Map<string, StateMessage[]>} */
  #pages = new Map();
  #reported = { version: 0, timestamp: -Infinity };
  #onSnapshot;

  /**
   * @param {(snapshot: Snapshot | null, events: SessionEvent[]) => void} onSnapshot called with
   *   each new snapshot and the events that led to it
   */
  constructor(onSnapshot) {
    this.#onSnapshot = onSnapshot;
  }

  /** When to call `tick` next. */
  get dueAtMs() {
    return Math.min(this.#mismatchUntilMs, this.#retryAtMs);
  }

  /**
   * A connection is open; CONNECTED and the initial STATE_SYNC are on their way.
   *
   * @param {number} nowMs
   * @returns {ClientMessage[]}
   */
  connectionOpened(nowMs) {
    this.isLive = this.#isWelcomed = this.#awaitsResponse = false;
    this.#initialSyncUntilMs = this.#retryAtMs = nowMs + RESPONSE_TIMEOUT_MS;
    this.#buffered = [];
    this.#pages.clear();
    this.#clearMismatch();
    return this.snapshot ? this.#reconnect(nowMs) : [];
  }

  /** The connection has ended. */
  connectionLost() {
    this.isLive = false;
    this.#retryAtMs = Infinity;
    this.#clearMismatch();
  }

  /**
   * Send what is due at this instant.
   *
   * @param {number} nowMs
   * @returns {ClientMessage[]}
   */
  tick(nowMs) {
    const toSend = nowMs >= this.#mismatchUntilMs ? this.#reconnect(nowMs) : [];
    if (nowMs >= this.#retryAtMs) {
      this.#retryAtMs = Infinity;
      if (this.#awaitsResponse || !this.#isWelcomed) {
        this.#awaitsResponse = false;
        toSend.push(...this.#reconnect(nowMs));
      }
    }
    return toSend;
  }

  /**
   * Process a message from the server.
   *
   * @param {ServerMessage} message
   * @param {number} nowMs
   * @returns {ClientMessage[]}
   */
  receive(message, nowMs) {
    switch (message.type) {
      case 'CONNECTED':
        this.#isWelcomed = true;
        if (!this.#awaitsResponse) {
          this.#retryAtMs = Infinity;
          this.isLive = true;
        }
        break;
      case 'STATE_SYNC':
        this.#receiveSync(message, nowMs);
        break;
      case 'STATE_UPDATE':
        if (
          (this.#awaitsResponse || nowMs < this.#initialSyncUntilMs) &&
          this.#buffered.length < MAX_BUFFERED_UPDATES
        ) {
          this.#buffered.push(message);
        }
        return this.#receiveUpdate(message, nowMs);
      case 'SESSION_DELETED':
        this.#sessionMissing(message.reason);
        break;
      case 'ERROR':
        if (isSessionMissing(message)) this.#sessionMissing(null);
        break;
      case 'CURRENT':
        this.#responseReceived();
        this.#compare(message, nowMs);
        break;
      case 'PONG':
        this.#compare(message, nowMs);
    }
    return [];
  }

  /** @param {'deleted' | 'expired' | null} ending */
  #sessionMissing(ending) {
    this.#clearMismatch();
    this.#responseReceived();
    this.ending = ending;
    this.#setSnapshot(null);
  }

  /**
   * @param {StateMessage} update
   * @param {number} nowMs
   * @returns {ClientMessage[]}
   */
  #receiveUpdate(update, nowMs) {
    const { snapshot } = this;
    if (!snapshot) {
      if (!update.partial) this.#setSnapshot(snapshotFrom(update), update.events);
      // The initial STATE_SYNC will bring the state to merge it into.
      else if (nowMs < this.#initialSyncUntilMs) this.#noteMismatch(stateVersionOf(update), nowMs);
      else return this.#reconnect(nowMs);
      return [];
    }
    if (update.epoch !== snapshot.epoch) return this.#reconnect(nowMs);
    if (update.version <= snapshot.version) {
      // An old version has an old timestamp, unless a replica that had fallen behind took over
      // and counts the same versions again.
      return update.timestamp > snapshot.timestamp ? this.#reconnect(nowMs, true) : [];
    }
    const updated = applyUpdate(snapshot, update);
    if (!updated) return this.#reconnect(nowMs);
    this.#setSnapshot(updated, update.events);
    return [];
  }

  /**
   * @param {StateMessage} message
   * @param {number} nowMs
   */
  #receiveSync(message, nowMs) {
    const synced = this.#completeSnapshot(message);
    if (!synced) return;
    const isInitial = !this.#awaitsResponse && nowMs < this.#initialSyncUntilMs;
    const { snapshot } = this;
    // An update may have overtaken the initial STATE_SYNC.
    const isOvertaken =
      isInitial && snapshot?.epoch === synced.epoch && snapshot.version > synced.version;
    if (isInitial) this.#initialSyncUntilMs = -Infinity;
    const buffered = this.#buffered;
    this.#responseReceived();
    if (!isOvertaken) this.#setSnapshot(synced);
    for (const update of buffered.sort((one, other) => one.version - other.version)) {
      const base = /** @type {Snapshot} */ (this.snapshot);
      if (update.epoch !== base.epoch || update.version <= base.version) continue;
      const updated = applyUpdate(base, update);
      if (updated) this.#setSnapshot(updated, update.events);
    }
  }

  /**
   * The snapshot of a STATE_SYNC; null while pages of it are missing.
   *
   * @param {StateMessage} message
   * @returns {Snapshot | null}
   */
  #completeSnapshot(message) {
    const { epoch, version, timestamp, page = 1, pages = 1 } = message;
    if (pages === 1) return snapshotFrom(message);
    const syncId = [epoch, version, timestamp, pages].join();
    const received = this.#pages.get(syncId) ?? [];
    this.#pages.set(syncId, received);
    received[page - 1] = message;
    // Holes of a sparse array have no keys.
    if (Object.keys(received).length < pages) return null;
    this.#pages.delete(syncId);
    return snapshotFrom(message, joinPages(received.map((one) => one.state)));
  }

  /**
   * @param {Snapshot | null} snapshot
   * @param {SessionEvent[]} [events]
   */
  #setSnapshot(snapshot, events = []) {
    this.snapshot = snapshot;
    if (snapshot) this.ending = null;
    if (isCoveredBy(this.#mismatch, stateVersionOf(snapshot))) this.#clearMismatch();
    // An update that is applied again, to the answer to a RECONNECT, is not reported again.
    const isNew =
      snapshot &&
      (snapshot.version > this.#reported.version || snapshot.timestamp > this.#reported.timestamp);
    if (isNew && events.length) this.#reported = snapshot;
    this.#onSnapshot(snapshot, isNew ? events : []);
  }

  /**
   * @param {StateVersion} reported
   * @param {number} nowMs
   */
  #compare(reported, nowMs) {
    if (isSameVersion(reported, stateVersionOf(this.snapshot))) this.#clearMismatch();
    else this.#noteMismatch(reported, nowMs);
  }

  /**
   * @param {StateVersion} reported
   * @param {number} nowMs
   */
  #noteMismatch(reported, nowMs) {
    this.#mismatchUntilMs = Math.min(this.#mismatchUntilMs, nowMs + MISMATCH_GRACE_MS);
    this.#mismatch = reported;
  }

  #clearMismatch() {
    this.#mismatch = {};
    this.#mismatchUntilMs = Infinity;
  }

  /**
   * RECONNECT, unless one is pending.
   *
   * @param {number} nowMs
   * @param {boolean} [whole] ask for the state whatever the snapshot
   * @returns {ClientMessage[]}
   */
  #reconnect(nowMs, whole = false) {
    this.#clearMismatch();
    if (this.#awaitsResponse) return [];
    this.#awaitsResponse = true;
    this.#retryAtMs = nowMs + RESPONSE_TIMEOUT_MS;
    this.#buffered = [];
    return [{ type: 'RECONNECT', ...stateVersionOf(whole ? null : this.snapshot) }];
  }

  /** A response proves that the connection works, even if CONNECTED was lost. */
  #responseReceived() {
    this.isLive = this.#isWelcomed = true;
    this.#awaitsResponse = false;
    this.#buffered = [];
    this.#retryAtMs = Infinity;
  }
}

/**
 * Whether an error says that there is no session; one with an id is the answer to a command.
 *
 * @param {ServerMessage & {type: 'ERROR'}} error
 */
export function isSessionMissing(error) {
  return error.code === 'SESSION_NOT_FOUND' && error.id === undefined;
}
