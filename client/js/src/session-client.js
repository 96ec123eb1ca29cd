/**
 * One session, followed over any number of connections, and told what to do.
 *
 * Owns the socket, the one timer and the commands that are not answered yet.
 * What is held and when to ask for it is the Follower's to decide, what time
 * it is the ServerClock's. A command is never kept for later: it goes out now
 * or fails now, because a "switch" of a minute ago is nobody's wish any more.
 *
 * @module
 */

import { Follower } from './follower.js';
import { ServerClock } from './server-clock.js';
import { browser } from './world.js';

/** @typedef {import('./types.js').ClientMessage} ClientMessage */
/** @typedef {import('./types.js').CommandName} CommandName */
/** @typedef {import('./types.js').ConnectionState} ConnectionState */
/** @typedef {import('./types.js').Held} Held */
/** @typedef {import('./types.js').ServerMessage} ServerMessage */
/** @typedef {import('./types.js').SessionEvent} SessionEvent */
/** @typedef {import('./types.js').Socket} Socket */
/** @typedef {import('./types.js').World} World */

/** Until CONNECTED has told. */
const HEARTBEAT_MS = 30_000;
const SILENT_HEARTBEATS = 3;
const FIRST_BACKOFF_MS = 1_000;
const LONGEST_BACKOFF_MS = 30_000;
const OPEN_WITHIN_MS = 10_000;
const ACK_WITHIN_MS = 10_000;

/** Who has slept may hold a connection that died long ago, and asks it at once. */
const AWAKE_WITHIN_MS = 5_000;

/** From so much on it matters to digits that the clock has been wrong. */
const STEP_MS = 50;

/** `readyState` of a socket that takes messages. */
const OPEN = 1;

/** The server is prompt, so a moment's patience saves it nearly every CLAIM. */
const CLAIM_AFTER_MS = 250;
const CLAIM_SPREAD_MS = 750;

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

/** A command that was not carried out, or of which nobody knows. */
export class CommandError extends Error {
  /**
   * @param {string} code the server's, or `NOT_LIVE`, `CONNECTION_LOST`, `NO_ANSWER`
   * @param {string} message
   * @param {'refused' | 'unsent' | 'unknown'} outcome `unknown`: it may have been
   *   carried out; what is held will show
   */
  constructor(code, message, outcome) {
    super(message);
    this.name = 'CommandError';
    this.code = code;
    this.outcome = outcome;
  }
}

/**
 * @typedef {object} Waiting
 * @property {(version: number) => void} resolve
 * @property {(error: CommandError) => void} reject
 * @property {number} until
 */

/**
 * Dispatches `connection` (detail: a ConnectionState), `state` (Held, or null
 * when there is no session; again when the clock has been found to be behind), `events` (what made a new version, in their order)
 * and `refusal` (an ERROR that answers no command).
 */
export class SessionClient extends EventTarget {
  /** @type {ConnectionState} */
  connection = 'closed';

  #url;
  #token;
  #sessionId;
  #world;
  #follower;
  #heartbeatMs = HEARTBEAT_MS;
  /** @type {Socket | null} */
  #socket = null;
  #open = false;
  #failures = 0;
  #ids = 0;
  #claims = 0;
  /** @type {Map<string, Waiting>} */
  #waiting = new Map();
  /** @type {unknown} */
  #timer;
  #stopWaking = () => {};
  /** @type {object | null} */
  #attempt = null;
  #mayClaim = true;

  // When each thing is due.
  #connectAt = Infinity;
  #pingAt = Infinity;
  #silentAt = Infinity;
  #claimAt = Infinity;

  /**
   * @param {object} options
   * @param {string | (() => string)} options.url of the stage, `wss://HOST/STAGE`; a function is
   *   asked before every connection
   * @param {string} options.sessionId
   * @param {string | (() => string | Promise<string>)} [options.token] where the server asks for
   *   one; a function is asked before every connection, so that it may renew what has ended
   * @param {Partial<World>} [options.world] what to use instead of the browser's own
   */
  constructor({ url, sessionId, token, world }) {
    super();
    this.#url = url;
    this.#token = token;
    this.#sessionId = sessionId;
    this.#world = { ...browser, ...world };
    this.#follower = new Follower((held, events) => this.#shown(held, events));
    this.clock = new ServerClock(this.#world, () => this.#wake());
  }

  /** @returns {Held | null} What to show; null while there is nothing. */
  get held() {
    return this.#follower.held;
  }

  /** Connect, and stay connected until `close`. */
  connect() {
    if (this.connection !== 'closed') return;
    this.#connect();
    this.#stopWaking = this.#world.onWake(() => this.#wake());
    this.#become('connecting');
    this.#schedule();
  }

  /** End the connection, and open no other. */
  close() {
    this.#stopWaking();
    this.#drop();
    this.#connectAt = Infinity;
    this.#failures = 0;
    this.#become('closed');
    this.#schedule();
  }

  /**
   * Send a command. `switch` and `pause` name the cycle that is on the screen,
   * so that a second press of one button is refused and not a second switch.
   *
   * @param {CommandName} command
   * @param {Record<string, unknown>} [args] as REST takes them
   * @param {{expectedVersion?: number}} [more]
   * @returns {Promise<number>} the version it made, once it has been carried out
   * @throws {CommandError}
   */
  command(command, args = {}, more = {}) {
    return new Promise((resolve, reject) => {
      const { held } = this;
      if (this.connection !== 'live' || !held || !this.#hears) {
        reject(
          new CommandError('NOT_LIVE', 'There is no live session, so nothing was sent', 'unsent'),
        );
        return;
      }
      const current_participant_id = held.state.active_participant_id;
      if (current_participant_id && (command === 'switch' || command === 'pause')) {
        args = { current_participant_id, ...args };
      }
      const id = `c${(this.#ids += 1)}`;
      this.#waiting.set(id, { resolve, reject, until: this.#world.now() + ACK_WITHIN_MS });
      this.#send([{ type: 'COMMAND', id, command, args, ...more }]);
      this.#schedule();
    });
  }

  #connect() {
    this.#connectAt = Infinity;
    this.#silentAt = this.#world.now() + OPEN_WITHIN_MS;
    const token = this.#token;
    if (typeof token !== 'function') {
      this.#openSocket(token);
      return;
    }
    // Whoever has closed meanwhile, or waited too long, wants no socket any more.
    const attempt = (this.#attempt = {});
    const isWanted = () => attempt === this.#attempt;
    new Promise((resolve) => resolve(token())).then(
      (renewed) => isWanted() && this.#openSocket(renewed),
      () => isWanted() && this.#lost(),
    );
  }

  /** @param {string} [token] */
  #openSocket(token) {
    const url = new URL(typeof this.#url === 'string' ? this.#url : this.#url());
    url.searchParams.set('sessionId', this.#sessionId);
    // As browsers can say it; in the address it would stand in logs.
    const socket = this.#world.openSocket(url.href, token && `bearer.${token}`);
    this.#socket = socket;
    this.#mayClaim = true;
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }) => this.#heard(data);
    socket.onclose = () => this.#lost();
    // A close follows. Elsewhere than in a browser an error that nobody handles ends the process.
    socket.onerror = () => {};
  }

  #opened() {
    const now = this.#world.now();
    this.#open = true;
    this.#pingAt = now;
    this.#silentAt = now + SILENT_HEARTBEATS * this.#heartbeatMs;
    this.clock.resync();
    this.#send(this.#follower.opened(now));
    this.#tick();
  }

  /** @param {unknown} data */
  #heard(data) {
    const message = parsed(data);
    // The gateway's own failures have no type.
    if (!message?.type) return;
    const now = this.#world.now();
    if (message.type === 'CONNECTED') {
      this.#heartbeatMs = message.heartbeatIntervalMs;
      this.#pingAt = Math.min(this.#pingAt, now + this.#heartbeatMs);
    }
    this.#silentAt = now + SILENT_HEARTBEATS * this.#heartbeatMs;
    const before = this.clock.now();
    if (message.type === 'PONG') this.clock.sample(message);
    this.clock.heard(message.timestamp);
    const steppedMs = this.clock.now() - before;
    // Now that it is known better what time it is.
    if (message.type === 'PONG' && !this.#claims) this.#claimWhenDue();
    if (message.type === 'ACK') this.#answer(message.id)?.resolve(message.version);
    if (message.type === 'ERROR') {
      const waiting = this.#answer(message.id ?? '');
      if (waiting) waiting.reject(new CommandError(message.code, message.message, 'refused'));
      // Of what has no id only CLAIM is not for everybody, and whoever may not need not know.
      else if (message.code === 'FORBIDDEN') {
        this.#mayClaim = false;
        this.#claimWhenDue();
      } else this.#tell('refusal', message);
    }
    this.#send(this.#follower.take(message, now));
    // What is on the screen would wait for the next digit by the time that it knew.
    if (steppedMs > STEP_MS && this.held) this.#tell('state', this.held);
    if (this.#follower.live && this.connection !== 'live') {
      this.#failures = 0;
      this.#become('live');
    }
    this.#schedule();
  }

  #lost() {
    this.#drop();
    const longest = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#connectAt = this.#world.now() + this.#world.random() * longest;
    // A page that has never been live is still connecting.
    if (this.connection === 'live') this.#become('reconnecting');
    this.#schedule();
  }

  /** Nothing more is heard from the socket, however long it takes to close. */
  #drop() {
    const socket = this.#socket;
    this.#socket = this.#attempt = null;
    this.#open = false;
    this.#pingAt = this.#silentAt = this.#claimAt = Infinity;
    this.#claims = 0;
    this.#follower.lost();
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    for (const id of [...this.#waiting.keys()]) this.#fail(id, 'CONNECTION_LOST');
  }

  #wake() {
    const now = this.#world.now();
    this.clock.resync();
    if (this.#open) {
      this.#pingAt = now;
      this.#silentAt = Math.min(this.#silentAt, now + AWAKE_WITHIN_MS);
    } else if (this.#connectAt < Infinity) this.#connectAt = now;
    this.#schedule();
  }

  /**
   * @param {Held | null} held
   * @param {SessionEvent[]} events
   */
  #shown(held, events) {
    this.#claims = 0;
    this.#claimWhenDue();
    this.#tell('state', held);
    if (events.length) this.#tell('events', events);
  }

  /** The deadline is when the first of the clocks on the screen comes to zero. */
  #claimWhenDue() {
    const { deadline_at } = this.held?.state ?? {};
    this.#claimAt = Infinity;
    if (!deadline_at || !this.#open || !this.#mayClaim) return;
    const left = Math.max(0, Date.parse(deadline_at) - this.clock.now());
    const patience = (CLAIM_AFTER_MS + this.#world.random() * CLAIM_SPREAD_MS) * 2 ** this.#claims;
    this.#claimAt = this.#world.now() + left + Math.min(patience, LONGEST_BACKOFF_MS);
  }

  #tick() {
    const now = this.#world.now();
    if (now >= this.#connectAt) this.#connect();
    if (now >= this.#silentAt) this.#lost();
    for (const [id, { until }] of this.#waiting) if (now >= until) this.#fail(id, 'NO_ANSWER');
    if (this.#open) {
      this.#send(this.#follower.tick(now));
      if (now >= this.#pingAt) {
        this.#send([this.clock.ping()]);
        this.#pingAt = now + this.clock.pingEveryMs(this.#heartbeatMs);
      }
      if (now >= this.#claimAt) {
        this.#claims += 1;
        this.#send([{ type: 'CLAIM' }]);
        this.#claimWhenDue();
      }
    }
    this.#schedule();
  }

  #schedule() {
    this.#world.clearTimer(this.#timer);
    const dueAt = Math.min(
      this.#connectAt,
      this.#pingAt,
      this.#silentAt,
      this.#claimAt,
      this.#follower.dueAt,
      ...[...this.#waiting.values()].map((one) => one.until),
    );
    if (dueAt < Infinity) {
      const delayMs = Math.max(0, dueAt - this.#world.now());
      this.#timer = this.#world.setTimer(() => this.#tick(), delayMs);
    }
  }

  /** Whether what is sent now goes out: a socket that the server ends is lost only a while later. */
  get #hears() {
    return this.#socket?.readyState === OPEN;
  }

  /** @param {ClientMessage[]} messages */
  #send(messages) {
    if (!this.#hears) return;
    for (const message of messages) this.#socket?.send(JSON.stringify(message));
  }

  /** @param {string} id */
  #answer(id) {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  /**
   * @param {string} id
   * @param {string} code
   */
  #fail(id, code) {
    const message = 'No answer came: the command may have been carried out, or not';
    this.#answer(id)?.reject(new CommandError(code, message, 'unknown'));
  }

  /** @param {ConnectionState} connection */
  #become(connection) {
    this.connection = connection;
    this.#tell('connection', connection);
  }

  /**
   * @param {string} type
   * @param {unknown} detail
   */
  #tell(type, detail) {
    this.dispatchEvent(new ClientEvent(type, detail));
  }
}

/** @type {(data: unknown) => ServerMessage | null} */
function parsed(data) {
  try {
    return JSON.parse(String(data));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
