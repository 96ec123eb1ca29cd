/**
 * A server of one session, behind a network that loses, delays and reorders.
 *
 * It knows no clocks: a commit changes what somebody has used. What it sends
 * is shaped as the contract says, in parts where the session is `large`.
 *
 * @module
 */

import { aParticipant, aState } from './states.js';

/** @typedef {import('../src/types.js').SessionState} SessionState */
/** @typedef {import('./fakes.js').FakeSocket} FakeSocket */
/** @typedef {import('./fakes.js').FakeWorld} FakeWorld */
/** @typedef {{large?: boolean, loss?: number, slowestMs?: number}} Conditions */

const PAGE = 3;

export class FakeServer {
  /** @type {SessionState | null} */
  state = null;
  epoch = 0;
  /** @type {any[]} */
  heard = [];
  /** @type {Set<FakeSocket>} */
  #connections = new Set();
  #world;

  /**
   * @param {FakeWorld} world
   * @param {Conditions} [conditions]
   */
  constructor(world, conditions = {}) {
    this.#world = world;
    this.large = false;
    this.loss = 0;
    this.slowestMs = 20;
    this.offsetMs = 5_000_000;
    Object.assign(this, conditions);
  }

  get timestamp() {
    return Math.floor(this.#world.now()) + this.offsetMs;
  }

  get version() {
    return this.state?.version ?? 0;
  }

  create(count = 7) {
    this.epoch += 1;
    const participants = Array.from({ length: count }, (_, place) => aParticipant(`p${place}`));
    this.#change(aState(participants, { version: 0, status: 'paused' }), [0]);
  }

  /** Somebody, or two, used some more time. */
  commit() {
    if (!this.state) return this.create();
    const places = [
      this.#below(this.state.participants.length),
      this.#below(this.state.participants.length),
    ];
    this.#change(this.state, places);
  }

  delete() {
    this.state = null;
    for (const one of this.#connections) this.#post(one, { type: 'SESSION_DELETED' });
  }

  /**
   * The last socket gets through.
   *
   * @param {FakeSocket} [socket]
   */
  accept(socket = this.#world.socket) {
    this.#connections.add(socket);
    socket.onsent = (message) => this.#later(() => this.#take(socket, message));
    socket.opens();
    this.#post(socket, { type: 'CONNECTED', heartbeatIntervalMs: 30_000, protocol: 1 });
    this.#later(() => this.#sync(socket));
  }

  cut() {
    for (const one of this.#connections) {
      this.#connections.delete(one);
      one.ends();
    }
  }

  /** Accept whoever knocks, for so long. */
  serve(/** @type {number} */ ms) {
    const until = this.#world.now() + ms;
    while (this.#world.now() < until) {
      const { socket } = this.#world;
      if (!socket.closed && !this.#connections.has(socket)) this.accept(socket);
      this.#world.pass(
        Math.min(until, Math.max(this.#world.nextAt, this.#world.now() + 0.01)) - this.#world.now(),
      );
    }
  }

  /**
   * @param {SessionState} before
   * @param {number[]} places
   */
  #change(before, places) {
    const participants = before.participants.map((one, place) =>
      places.includes(place)
        ? { ...one, time_used_ms: one.time_used_ms + 1 + this.#below(1_000) }
        : one,
    );
    this.state = { ...before, participants, version: before.version + 1 };
    const changed = participants.filter((_, place) => places.includes(place));
    const parts = {
      partial: true,
      baseVersion: before.version,
      state: { ...this.state, participants: changed },
    };
    for (const one of this.#connections) {
      this.#post(one, {
        ...this.#whole('STATE_UPDATE'),
        events: [],
        ...(this.large && before.version ? parts : {}),
      });
    }
  }

  /**
   * @param {FakeSocket} socket
   * @param {any} message
   */
  #take(socket, message) {
    this.heard.push(message);
    const place = this.state ? { epoch: `e${this.epoch}`, version: this.version } : {};
    switch (message.type) {
      case 'PING':
        this.#post(socket, {
          type: 'PONG',
          clientTime: message.clientTime,
          receivedAt: this.timestamp,
          ...place,
        });
        break;
      case 'RECONNECT':
        if (!this.state) this.#post(socket, { type: 'SESSION_DELETED' });
        else if (message.epoch === place.epoch && message.version === place.version) {
          this.#post(socket, { type: 'CURRENT', ...place });
        } else this.#sync(socket);
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
    const pages = Math.ceil(participants.length / PAGE);
    for (let page = 1; page <= pages; page += 1) {
      const part = participants.slice((page - 1) * PAGE, page * PAGE);
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
    this.#later(() => this.#connections.has(socket) && socket.hears(stamped));
  }

  /** @param {() => void} arrive */
  #later(arrive) {
    if (this.#world.random() < this.loss) return;
    this.#world.setTimer(arrive, this.#world.random() * this.slowestMs);
  }

  /** @param {number} limit */
  #below(limit) {
    return Math.floor(this.#world.random() * limit);
  }
}
