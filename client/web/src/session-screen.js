/**
 * What the three views of a session share: connection, clocks, names, header and announcements.
 *
 * Owns the client and the display clock. Views receive what has changed, and draw it.
 *
 * @module
 */

import { DisplayClock, SessionClient } from '../../js/src/index.js';
import { statusLabel } from './appointments.js';
import { Announcer } from './announcer.js';
import { Api, ApiError } from './api.js';
import { AuctionOutcome } from './auction-outcome.js';
import { connectionLabel, noticeFor } from './connection-status.js';
import { wakeLock } from './device.js';
import { el, setData, setText } from './dom.js';
import { eventsText } from './event-text.js';
import { SessionNames } from './names.js';
import { useOf } from './own-clocks.js';
import { Sounds } from './sounds.js';

/** @import { ClockFace } from '../../js/src/index.js' */
/** @import { SessionEvent, SessionState, Snapshot } from '../../js/src/types.js' */
/** @import { Endpoints } from './endpoints.js' */
/** @import { Route } from './route.js' */

/**
 * @typedef {object} View
 * @property {HTMLElement} element
 * @property {(state: SessionState) => void} onState
 * @property {(face: ClockFace) => void} onFace
 * @property {(events: SessionEvent[]) => void} [onEvents]
 * @property {() => void} [onConnection]
 * @property {(event: KeyboardEvent) => void} [onKey]
 */

/** How long to wait before showing an error instead of "Connecting". */
const GRACE_MS = 1_500;
const RETRY_MS = 10_000;
const INDICATOR_MS = 1_000;
/** What is announced. @type {Record<string, string>} */
const CONNECTION_TEXTS = {
  unconfirmed: 'Connection not confirmed',
  reconnecting: 'Connection lost. Reconnecting',
};
const FLAG_EVENTS = ['participant_expired', 'session_expired'];
/** The codes for a token that does not give access, over REST and over the socket. */
const ACCESS_ERRORS = ['UNAUTHENTICATED', 'FORBIDDEN', 'SESSION_FORBIDDEN'];
/** Tenths of more clocks than this are unreadable. */
const MAX_CLOCKS_WITH_TENTHS = 24;

export class SessionScreen {
  /** The last face of every clock, for clocks drawn later. @type {Map<string, ClockFace>} */
  faces = new Map();
  /** @type {SessionNames | null} */
  names = null;
  route;
  api;
  client;

  #hadSession = false;
  #isWaiting = true;
  #isRefused = false;
  /** @type {DisplayClock | null} */
  #display = null;
  /** @type {View | null} */
  #view = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #graceTimer;
  #indicatorTimer;
  #wakeLock = wakeLock(() => this.client.snapshot?.state.status === 'running');
  #listeners = new AbortController();
  #sounds = new Sounds(this.#listeners.signal);

  #title = el('h1', { className: 'title', dir: 'auto' });
  #status = el('span', { className: 'status' });
  #connection = el('span', { className: 'connection' });
  // Screen readers read it out when it changes, an alert at once.
  #message = el('p', { className: 'message', dir: 'auto', role: 'status', hidden: true });
  #outcome;
  #notice = el('section', { className: 'notice', hidden: true });
  #region = el('p', { className: 'visually-hidden', role: 'status' });
  #announcer = new Announcer(this.#region);
  #actions = el('span', { className: 'actions' });

  /**
   * Connects at once, while the view is still being loaded.
   *
   * @param {Route} route
   * @param {Endpoints} endpoints
   */
  constructor(route, endpoints) {
    this.route = route;
    this.api = new Api(endpoints.api, route.token);
    this.#outcome = new AuctionOutcome(this.api, route);
    this.client = new SessionClient({
      url: endpoints.websocket,
      sessionId: route.session,
      ...(route.token && { token: route.token }),
    });
    this.#on('state', () => this.#onState());
    this.#on('events', ({ detail }) => this.#onEvents(detail));
    this.#on('connection', () => this.#onConnection());
    this.#on('error', ({ detail }) => this.#onError(detail.code));
    this.client.connect();
    this.#indicatorTimer = setInterval(() => this.#updateIndicator(), INDICATOR_MS);
  }

  /**
   * @param {HTMLElement} root
   * @param {View} view
   */
  show(root, view) {
    this.#view = view;
    const { signal } = this.#listeners;
    document.addEventListener('keydown', (event) => view.onKey?.(event), { signal });
    this.#actions.prepend(this.#sounds.button);
    root.replaceChildren(
      el(
        'header',
        { className: 'header' },
        el(
          'a',
          { className: 'brand', href: '#', 'aria-label': 'Tickless: new session' },
          'Tickless',
        ),
        this.#title,
        this.#status,
        this.#connection,
        this.#actions,
      ),
      this.#message,
      this.#outcome.element,
      this.#notice,
      view.element,
      this.#region,
    );
    this.#updateIndicator();
    if (this.client.snapshot) this.#onState();
    else this.#update();
  }

  /** @param {...HTMLElement} actions more buttons for the header */
  addActions(...actions) {
    this.#actions.append(...actions);
  }

  dispose() {
    this.#listeners.abort();
    clearInterval(this.#indicatorTimer);
    clearTimeout(this.#graceTimer);
    this.#wakeLock.stop();
    this.#view = null;
    this.#display?.stop();
    this.client.close();
  }

  #onState() {
    const { snapshot } = this.client;
    if (snapshot) {
      this.names = new SessionNames(snapshot.state);
      this.#hadSession = true;
      if (this.#view) {
        this.#display ??= this.#createDisplay(snapshot.state);
        this.#view.onState(snapshot.state);
      }
    }
    this.#display?.update(snapshot && asShown(snapshot));
    void this.#wakeLock.update();
    this.#update();
  }

  /** @param {SessionState} state */
  #createDisplay({ participants }) {
    return new DisplayClock({
      clock: this.client.clock,
      show: (face) => this.#onFace(face),
      ...(participants.length > MAX_CLOCKS_WITH_TENTHS && { tenthsBelowMs: 0 }),
    });
  }

  /** @param {ClockFace} face */
  #onFace(face) {
    const before = this.faces.get(face.id);
    this.faces.set(face.id, face);
    if (this.#mayHear(face.id)) {
      // The flag, as the server says: a clock may have stopped before its zero here.
      const isExpired = face.phase === 'expired' || face.phase === 'overtime';
      if (isExpired && before?.isRunning) this.#sounds.flag();
      if (face.isRunning && before?.isRunning && face.warning > before.warning) {
        this.#sounds.warning();
      }
    }
    this.#view?.onFace(face);
  }

  /**
   * Where every clock runs by itself, participants hear their own.
   *
   * @param {unknown} id of a clock
   */
  #mayHear(id) {
    const isOwnOnly = this.client.snapshot?.state.sync_mode === 'simultaneous';
    const { as, participant } = this.route;
    return as !== 'participant' || !isOwnOnly || id === participant;
  }

  /** @param {SessionEvent[]} events */
  #onEvents(events) {
    // A skipped turn has no expired face: the next turn begins at the same instant.
    const isFlag = (/** @type {SessionEvent} */ { type, participant_id: id }) =>
      FLAG_EVENTS.includes(type) && (type === 'session_expired' || this.#mayHear(id));
    if (events.some(isFlag)) this.#sounds.flag();
    const isTurn = events.every(({ type }) => type === 'cycle_switched');
    if (this.names) this.#announcer.announce(eventsText(events, this.names), isTurn);
    this.#view?.onEvents?.(events);
  }

  #onConnection() {
    const { connection } = this.client;
    if (CONNECTION_TEXTS[connection]) this.#announcer.announce(CONNECTION_TEXTS[connection]);
    this.#isWaiting = true;
    this.#startGracePeriod(GRACE_MS);
    this.#update();
    this.#view?.onConnection?.();
  }

  /** @param {number} ms */
  #startGracePeriod(ms) {
    clearTimeout(this.#graceTimer);
    this.#graceTimer = setTimeout(() => {
      this.#isWaiting = false;
      this.#update();
      const { connection } = this.client;
      if (connection === 'connecting' || connection === 'reconnecting') void this.#checkAccess();
    }, ms);
  }

  /** Browsers do not tell a page why a handshake was refused; REST does. */
  async #checkAccess() {
    this.#startGracePeriod(RETRY_MS);
    try {
      await this.api.getSession(this.route.session);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#onError(error.code);
    }
  }

  /** @param {string} code */
  #onError(code) {
    if (!ACCESS_ERRORS.includes(code)) return;
    this.#isRefused = true;
    // The same token would be refused again.
    this.client.close();
    this.#update();
  }

  /** Show the notice or the view, the title and the status. */
  #update() {
    const view = this.#view;
    if (!view) return;
    const { snapshot, connection } = this.client;
    const notice = noticeFor({
      connection,
      isRefused: this.#isRefused,
      hasSession: snapshot !== null,
      hadSession: this.#hadSession,
      ending: this.client.ending,
      isWaiting: this.#isWaiting,
    });
    view.element.hidden = notice !== null;
    this.#notice.hidden = notice === null;
    if (notice && this.#notice.dataset['title'] !== notice.title) {
      this.#notice.dataset['title'] = notice.title;
      this.#notice.replaceChildren(
        el('h2', {}, notice.title),
        el('p', {}, notice.text),
        el('p', {}, el('a', { className: 'button', href: '#' }, 'New session')),
      );
      if (notice.text) this.#announcer.announce(notice.title);
    }
    const message = notice === null ? snapshot?.state.message : undefined;
    this.#message.hidden = !message;
    this.#message.role = message?.style === 'alert' ? 'alert' : 'status';
    setData(this.#message, 'style', message?.style ?? '');
    setText(this.#message, message?.text ?? '');
    void this.#outcome.update(notice === null ? snapshot?.state : undefined, this.names);
    const title = this.names?.title || 'Session';
    setText(this.#title, title);
    document.title = snapshot ? `${title} · Tickless` : 'Tickless';
    const status = snapshot?.state.status ?? '';
    setText(this.#status, snapshot ? statusLabel(snapshot.state, this.client.clock.now()) : '');
    setData(this.#status, 'status', status);
    setData(document.body, 'status', status);
    this.#updateIndicator();
  }

  #updateIndicator() {
    const { connection, errorBoundMs } = this.client;
    setText(this.#connection, connectionLabel(connection, errorBoundMs));
    setData(this.#connection, 'connection', connection);
    setData(document.body, 'connection', connection);
    if (!this.#connection.title) this.#connection.title = 'Connection, and maximum error of clocks';
  }

  /**
   * @param {string} type
   * @param {(event: any) => void} listener
   */
  #on(type, listener) {
    const { signal } = this.#listeners;
    this.client.addEventListener(type, listener, { signal });
  }
}

/**
 * The snapshot whose clocks are shown: those of a race count up.
 *
 * @param {Snapshot} snapshot
 * @returns {Snapshot}
 */
function asShown(snapshot) {
  const { state } = snapshot;
  return useOf(state) === 'race'
    ? { ...snapshot, state: { ...state, sync_mode: 'count_up', max_time_ms: null } }
    : snapshot;
}
