/**
 * A server of one session, behind a network that loses, delays and reorders messages.
 *
 * It has no clocks: a commit changes the time a participant has used. Messages have the shape
 * that docs/protocol.md describes, with pages and partial updates if the session is `large`.
 *
 * @module
 */

import { makeParticipant, makeState } from './factories.js';

/** @import { ParticipantState, SessionState } from '../src/types.js' */
/** @import { FakeEnvironment, FakeSocket } from './fakes.js' */
/** @typedef {{large?: boolean, loss?: number, slowestMs?: number}} Conditions */

const PAGE_SIZE = 3;

export class FakeServer {
  /** @type {SessionState | null} */
  state = null;
  epoch = 0;
  /** @type {any[]} */
  received = [];
  /** @type {Set<FakeSocket>} */
  #connections = new Set();
  /** @type {SessionState[]} The versions of this epoch, oldest first. */
  #versions = [];
  #environment;

  /**
   * @param {FakeEnvironment} environment
   * @param {Conditions} [conditions]
   */
  constructor(environment, conditions = {}) {
    this.#environment = environment;
    this.large = false;
    this.loss = 0;
    this.slowestMs = 20;
    /** Connections stay open, and nothing passes. */
    this.isSilent = false;
    this.refuses = false;
    this.offsetMs = 5_000_000;
    Object.assign(this, conditions);
  }

  get timestamp() {
    return Math.floor(this.#environment.now()) + this.offsetMs;
  }

  get version() {
    return this.state?.version ?? 0;
  }

  get participants() {
    return this.state?.participants ?? [];
  }

  /** A new version with other values. @param {Partial<SessionState>} changes */
  change(changes) {
    this.state = /** @type {SessionState} */ ({ ...this.state, ...changes });
    this.#change(this.state, []);
  }

  create(count = 7) {
    this.epoch += 1;
    this.#versions = [];
    const participants = Array.from({ length: count }, (_, index) =>
      makeParticipant(`p${index}`, { participant_index: index, deadline_at: null }),
    );
    this.#change(makeState(participants, { version: 0, status: 'paused' }), [0]);
  }

  /** A participant takes the place that their index gives them. */
  join(participant_index = this.#below(this.participants.length + 1)) {
    const { participants } = this;
    const index = participants.filter((one) => one.participant_index <= participant_index).length;
    const name = `p${participants.length}`;
    const joined = makeParticipant(name, { participant_index, deadline_at: null });
    const before = /** @type {SessionState} */ (this.state);
    const all = [...participants.slice(0, index), joined, ...participants.slice(index)];
    this.#change({ ...before, participants: all }, [index]);
  }

  /** All are given time, and some of them are marked. */
  giveToAll() {
    const before = /** @type {SessionState} */ (this.state);
    const given = 1 + this.#below(1_000);
    const marked = this.#below(before.participants.length);
    const participants = before.participants.map((one, index) => ({
      ...one,
      time_remaining_ms: one.time_remaining_ms + given,
      ...(index >= marked && { has_expired: true }),
    }));
    const add = { time_remaining_ms: given };
    const last = participants.length - 1;
    this.#publish(before, participants, {
      state: { participants: [] },
      participantChanges: [
        { positions: marked ? [[0, marked - 1]] : [], set: {}, add },
        { positions: [[marked, last]], set: { has_expired: true }, add },
      ],
    });
  }

  /** One or two participants used some more time, all are given some, or one joins. */
  commit() {
    if (!this.state) return this.create();
    if (this.#below(8) === 0) return this.join();
    if (this.#below(4) === 0) return this.giveToAll();
    const indexes = [
      this.#below(this.state.participants.length),
      this.#below(this.state.participants.length),
    ];
    this.#change(this.state, indexes);
  }

  /** A replica takes over that lacks the last versions; no message reports it. */
  failOver(lost = 1 + this.#below(3)) {
    if (!this.state) return;
    this.#versions.length = Math.max(1, this.#versions.length - lost);
    this.state = /** @type {SessionState} */ (this.#versions.at(-1));
  }

  delete() {
    this.state = null;
    for (const one of this.#connections)
      this.#post(one, { type: 'SESSION_DELETED', reason: 'deleted' });
  }

  /**
   * Accept a connection, by default the newest.
   *
   * @param {FakeSocket} [socket]
   */
  accept(socket = this.#environment.socket) {
    this.#connections.add(socket);
    socket.onsent = (message) => this.#later(() => this.#receive(socket, message));
    socket.open();
    this.#post(socket, { type: 'CONNECTED', heartbeatIntervalMs: 30_000, protocol: 1 });
    this.#later(() => this.#sync(socket));
  }

  cut() {
    for (const one of this.#connections) {
      this.#connections.delete(one);
      one.end();
    }
  }

  /** Let time pass, and accept every connection. */
  serve(/** @type {number} */ ms) {
    const until = this.#environment.now() + ms;
    while (this.#environment.now() < until) {
      const { socket } = this.#environment;
      const isNew = !socket.closed && !this.#connections.has(socket);
      if (isNew && this.refuses) socket.end();
      else if (isNew && !this.isSilent) this.accept(socket);
      this.#environment.advance(
        Math.min(until, Math.max(this.#environment.nextTimerAt, this.#environment.now() + 0.01)) -
          this.#environment.now(),
      );
    }
  }

  /**
   * @param {SessionState} before
   * @param {number[]} indexes
   */
  #change(before, indexes) {
    const participants = before.participants.map((one, index) =>
      indexes.includes(index)
        ? { ...one, time_used_ms: one.time_used_ms + 1 + this.#below(1_000) }
        : one,
    );
    const changed = participants.filter((_, index) => indexes.includes(index));
    this.#publish(before, participants, { state: { participants: changed } });
  }

  /**
   * @param {SessionState} before
   * @param {ParticipantState[]} participants
   * @param {{state: Partial<SessionState>, participantChanges?: object[]}} difference
   */
  #publish(before, participants, difference) {
    const updated_at = new Date(this.timestamp).toISOString();
    this.state = { ...before, participants, version: before.version + 1, updated_at };
    this.#versions.push(this.state);
    const partial = {
      partial: true,
      baseVersion: before.version,
      baseUpdatedAt: before.updated_at,
      ...difference,
      state: { ...this.state, ...difference.state },
    };
    for (const one of this.#connections) {
      this.#post(one, {
        ...this.#whole('STATE_UPDATE'),
        events: [],
        ...(this.large && before.version ? partial : {}),
      });
    }
  }

  /**
   * @param {FakeSocket} socket
   * @param {any} message
   */
  #receive(socket, message) {
    this.received.push(message);
    const updatedAt = this.state?.updated_at;
    const version = this.state ? { epoch: `e${this.epoch}`, version: this.version, updatedAt } : {};
    switch (message.type) {
      case 'PING':
        this.#post(socket, {
          type: 'PONG',
          clientTime: message.clientTime,
          receivedAt: this.timestamp,
          ...version,
        });
        break;
      case 'RECONNECT':
        if (!this.state) this.#post(socket, { type: 'SESSION_DELETED', reason: 'deleted' });
        else if (
          message.epoch === version.epoch &&
          message.version === version.version &&
          message.updatedAt === version.updatedAt
        ) {
          this.#post(socket, { type: 'CURRENT', ...version });
        } else this.#sync(socket);
        break;
      case 'CLAIM':
        this.#post(socket, { type: 'CURRENT', ...version });
        break;
      case 'COMMAND':
        this.commit();
        this.#post(socket, { type: 'ACK', id: message.id, version: this.version });
    }
  }

  /** @param {FakeSocket} socket */
  #sync(socket) {
    if (!this.state) return;
    const whole = { ...this.#whole('STATE_SYNC'), timestamp: this.timestamp };
    if (!this.large) return this.#post(socket, whole);
    const { participants } = this.state;
    const pages = Math.ceil(participants.length / PAGE_SIZE);
    for (let page = 1; page <= pages; page += 1) {
      const part = participants.slice((page - 1) * PAGE_SIZE, page * PAGE_SIZE);
      this.#post(socket, { ...whole, page, pages, state: { ...this.state, participants: part } });
    }
  }

  /** @param {string} type */
  #whole(type) {
    return { type, epoch: `e${this.epoch}`, version: this.version, state: this.state };
  }

  /**
   * @param {FakeSocket} socket
   * @param {object} message
   */
  #post(socket, message) {
    const stamped = { timestamp: this.timestamp, ...message };
    this.#later(() => this.#connections.has(socket) && socket.deliver(stamped));
  }

  /** @param {() => void} arrive */
  #later(arrive) {
    if (this.isSilent || this.#environment.random() < this.loss) return;
    const delayMs = this.#environment.random() * this.slowestMs;
    this.#environment.setTimer(() => this.isSilent || arrive(), delayMs);
  }

  /** @param {number} limit */
  #below(limit) {
    return Math.floor(this.#environment.random() * limit);
  }
}
