/**
 * What a client makes of what it hears: the contract's rules, without a socket or a clock.
 *
 * Owns what is held, when to ask for it, and what for. Messages and instants
 * come in, messages to send go out; "Following a session" in docs/protocol.md
 * says why each rule is there.
 *
 * @module
 */

import { applied, asHeld, inOne } from './merging.js';

/** @typedef {import('./types.js').ClientMessage} ClientMessage */
/** @typedef {import('./types.js').Held} Held */
/** @typedef {import('./types.js').ServerMessage} ServerMessage */
/** @typedef {import('./types.js').SessionEvent} SessionEvent */
/** @typedef {import('./types.js').StateMessage} StateMessage */
/** @typedef {{epoch?: string, version?: number}} Place */

const ANSWER_WITHIN_MS = 2_000;
const DOUBT_FOR_MS = 1_000;

/** So many updates are kept for the answer to a RECONNECT; nobody waits that long. */
const KEPT = 4_096;

export class Follower {
  /** @type {Held | null} Null while there is nothing to show. */
  held = null;

  /** Whether this connection has been greeted, or what it asked when it was opened, answered. */
  live = false;

  #greeted = false;
  #asked = false;
  #greetingUntil = -Infinity;
  #askAgainAt = Infinity;
  #doubtedUntil = Infinity;
  /** @type {Place} */
  #doubted = {};
  /** @type {StateMessage[]} */
  #kept = [];
  /** @type {Map<string, StateMessage[]>} */
  #pages = new Map();
  #told = { version: 0, timestamp: -Infinity };
  #onShown;

  /** @param {(held: Held | null, events: SessionEvent[]) => void} onShown called with what is new */
  constructor(onShown) {
    this.#onShown = onShown;
  }

  /** When `tick` is wanted next. */
  get dueAt() {
    return Math.min(this.#doubtedUntil, this.#askAgainAt);
  }

  /**
   * There is a connection, and its greeting is on its way.
   *
   * @param {number} now
   * @returns {ClientMessage[]}
   */
  opened(now) {
    this.live = this.#greeted = this.#asked = false;
    this.#greetingUntil = this.#askAgainAt = now + ANSWER_WITHIN_MS;
    this.#kept = [];
    this.#pages.clear();
    this.#trust();
    return this.held ? this.#ask(now) : [];
  }

  /** The connection is gone. */
  lost() {
    this.live = false;
    this.#askAgainAt = Infinity;
    this.#trust();
  }

  /**
   * Time has passed.
   *
   * @param {number} now
   * @returns {ClientMessage[]}
   */
  tick(now) {
    const sent = now >= this.#doubtedUntil ? this.#ask(now) : [];
    if (now >= this.#askAgainAt) {
      this.#askAgainAt = Infinity;
      if (this.#asked || !this.#greeted) {
        this.#asked = false;
        sent.push(...this.#ask(now));
      }
    }
    return sent;
  }

  /**
   * A message has come.
   *
   * @param {ServerMessage} message
   * @param {number} now
   * @returns {ClientMessage[]}
   */
  take(message, now) {
    switch (message.type) {
      case 'CONNECTED':
        this.#greeted = true;
        if (!this.#asked) {
          this.#askAgainAt = Infinity;
          this.live = true;
        }
        break;
      case 'STATE_SYNC':
        this.#sync(message, now);
        break;
      case 'STATE_UPDATE':
        if ((this.#asked || now < this.#greetingUntil) && this.#kept.length < KEPT) {
          this.#kept.push(message);
        }
        return this.#update(message, now);
      case 'SESSION_DELETED':
        this.#trust();
        this.#answered();
        this.#show(null);
        break;
      case 'CURRENT':
        this.#answered();
        this.#compare(message, now);
        break;
      case 'PONG':
        this.#compare(message, now);
    }
    return [];
  }

  /**
   * @param {StateMessage} update
   * @param {number} now
   * @returns {ClientMessage[]}
   */
  #update(update, now) {
    const { held } = this;
    if (!held) {
      if (!update.partial) this.#show(asHeld(update), update.events);
      // Otherwise the greeting will bring what it is to be merged into.
      else if (now < this.#greetingUntil) this.#doubt(update, now);
      else return this.#ask(now);
      return [];
    }
    if (update.epoch !== held.epoch) return this.#ask(now);
    if (update.version <= held.version) {
      // Later versions come later, unless a store that had fallen behind has
      // taken over and counts some of them once more.
      return update.timestamp > held.timestamp ? this.#ask(now, true) : [];
    }
    const shown = applied(held, update);
    if (!shown) return this.#ask(now);
    this.#show(shown, update.events);
    return [];
  }

  /**
   * @param {StateMessage} message
   * @param {number} now
   */
  #sync(message, now) {
    const synced = this.#whole(message);
    if (!synced) return;
    const isGreeting = !this.#asked && now < this.#greetingUntil;
    const { held } = this;
    // An update may have overtaken the greeting.
    const overtaken = isGreeting && held?.epoch === synced.epoch && held.version > synced.version;
    if (isGreeting) this.#greetingUntil = -Infinity;
    const kept = this.#kept;
    this.#answered();
    if (!overtaken) this.#show(synced);
    for (const update of kept.sort((one, other) => one.version - other.version)) {
      const base = /** @type {Held} */ (this.held);
      if (update.epoch !== base.epoch || update.version <= base.version) continue;
      const shown = applied(base, update);
      if (shown) this.#show(shown, update.events);
    }
  }

  /**
   * What a message, or the page that was still missing, brings.
   *
   * @param {StateMessage} message
   * @returns {Held | null}
   */
  #whole(message) {
    const { epoch, version, timestamp, page = 1, pages = 1 } = message;
    if (pages === 1) return asHeld(message);
    const answer = [epoch, version, timestamp, pages].join();
    const had = this.#pages.get(answer) ?? [];
    this.#pages.set(answer, had);
    had[page - 1] = message;
    // Holes are not counted.
    if (Object.keys(had).length < pages) return null;
    this.#pages.delete(answer);
    return asHeld(message, inOne(had.map((one) => one.state)));
  }

  /**
   * @param {Held | null} held
   * @param {SessionEvent[]} [events]
   */
  #show(held, events = []) {
    this.held = held;
    if (
      held &&
      this.#doubted.epoch === held.epoch &&
      (this.#doubted.version ?? 0) <= held.version
    ) {
      this.#trust();
    }
    // What is applied once more, to the answer to a RECONNECT, is no news.
    const isNews =
      held && (held.version > this.#told.version || held.timestamp > this.#told.timestamp);
    if (isNews && events.length) this.#told = held;
    this.#onShown(held, isNews ? events : []);
  }

  /**
   * @param {Place} place
   * @param {number} now
   */
  #compare(place, now) {
    if (place.epoch === this.held?.epoch && place.version === this.held?.version) this.#trust();
    else this.#doubt(place, now);
  }

  /**
   * @param {Place} place
   * @param {number} now
   */
  #doubt({ epoch, version }, now) {
    this.#doubtedUntil = Math.min(this.#doubtedUntil, now + DOUBT_FOR_MS);
    this.#doubted = { epoch, version };
  }

  #trust() {
    this.#doubted = {};
    this.#doubtedUntil = Infinity;
  }

  /**
   * RECONNECT, unless its answer is still awaited.
   *
   * @param {number} now
   * @param {boolean} [snapshot] ask for a state whatever is held
   * @returns {ClientMessage[]}
   */
  #ask(now, snapshot = false) {
    this.#trust();
    if (this.#asked) return [];
    this.#asked = true;
    this.#askAgainAt = now + ANSWER_WITHIN_MS;
    this.#kept = [];
    const { epoch, version } = (!snapshot && this.held) || {};
    return [{ type: 'RECONNECT', epoch, version }];
  }

  /** Whether or not CONNECTED got lost: whatever answers is there. */
  #answered() {
    this.live = this.#greeted = true;
    this.#asked = false;
    this.#kept = [];
    this.#askAgainAt = Infinity;
  }
}
