/**
 * What the three views of a session share: its connection, its clocks, its cast, and how
 * everything that happens is told to whoever looks or listens.
 *
 * Owns the client and the display; views are given what has changed, and draw.
 *
 * @module
 */

import { DisplayClock, SessionClient } from '../../js/src/index.js';
import { Announcer } from './announcer.js';
import { Api, ApiError } from './api.js';
import { Cast } from './cast.js';
import { linkWords, noticeOf } from './condition.js';
import { chime, unmute } from './device.js';
import { el, mark, write } from './dom.js';
import { remember, remembered } from './settings.js';
import { sentence } from './telling.js';
import { STATUS } from './turn.js';

/** @import { ClockFace } from '../../js/src/index.js' */
/** @import { SessionEvent, SessionState } from '../../js/src/types.js' */
/** @import { Addresses } from './addresses.js' */
/** @import { Place } from './place.js' */

/**
 * What a view does with what it is told.
 *
 * @typedef {object} View
 * @property {HTMLElement} element
 * @property {(state: SessionState) => void} state
 * @property {(face: ClockFace) => void} face
 * @property {(events: SessionEvent[]) => void} [events]
 * @property {() => void} [connection]
 * @property {(event: KeyboardEvent) => void} [key]
 * @property {() => void} [leave]
 */

const PATIENCE_MS = 1_500;
const ASK_AGAIN_MS = 10_000;
/** What the server says to a token that opens nothing here, over REST and over the socket. */
const SHUT_OUT = ['UNAUTHENTICATED', 'FORBIDDEN', 'SESSION_FORBIDDEN'];
const INDICATOR_MS = 1_000;
/** Of more clocks than this nobody reads tenths. */
const TENTHS_UP_TO = 24;

export class Room {
  /** Every clock as it was last shown, for what is drawn later. @type {Map<string, ClockFace>} */
  faces = new Map();
  /** @type {Cast | null} */
  cast = null;
  place;
  api;
  client;

  #epoch = '';
  #wasThere = false;
  #isPatient = true;
  #isShutOut = false;
  /** @type {DisplayClock | null} */
  #display = null;
  /** @type {View | null} */
  #view = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #patience;
  #indicating;
  #listening = new AbortController();
  #hasSound = remembered('sound');

  #title = el('h1', { className: 'title', dir: 'auto' });
  #status = el('span', { className: 'status' });
  #link = el('span', { className: 'link' });
  #notice = el('section', { className: 'notice', hidden: true });
  #region = el('p', { className: 'unseen', role: 'status' });
  #announcer = new Announcer(this.#region);
  #actions = el('span', { className: 'actions' });

  /**
   * Connects at once: whatever else there is to load comes meanwhile.
   *
   * @param {Place} place
   * @param {Addresses} addresses
   */
  constructor(place, addresses) {
    this.place = place;
    this.api = new Api(addresses.api, place.token);
    this.client = new SessionClient({
      url: addresses.websocket,
      sessionId: place.session,
      ...(place.token && { token: place.token }),
    });
    this.#on('state', () => this.#state());
    this.#on('events', ({ detail }) => this.#events(detail));
    this.#on('connection', () => this.#connection());
    this.#on('error', ({ detail }) => this.#refused(detail.code));
    this.client.connect();
    this.#indicating = setInterval(() => this.#indicate(), INDICATOR_MS);
  }

  /**
   * @param {HTMLElement} root
   * @param {View} view
   */
  show(root, view) {
    this.#view = view;
    const { signal } = this.#listening;
    document.addEventListener('keydown', (event) => view.key?.(event), { signal });
    // Sound that was wanted the last time may be heard only once something was touched.
    const touched = () => this.#hasSound && unmute();
    document.addEventListener('pointerdown', touched, { signal });
    document.addEventListener('keydown', touched, { signal });
    this.#actions.prepend(this.#soundSwitch());
    root.replaceChildren(
      el(
        'header',
        { className: 'bar' },
        el(
          'a',
          { className: 'brand', href: '#', 'aria-label': 'Tickless: new session' },
          'Tickless',
        ),
        this.#title,
        this.#status,
        this.#link,
        this.#actions,
      ),
      this.#notice,
      view.element,
      this.#region,
    );
    this.#indicate();
    if (this.client.snapshot) this.#state();
    else this.#describe();
  }

  /** @param {...HTMLElement} actions more buttons for the bar */
  offer(...actions) {
    this.#actions.append(...actions);
  }

  /** @param {string} text */
  say(text) {
    this.#announcer.say(text);
  }

  leave() {
    this.#listening.abort();
    clearInterval(this.#indicating);
    clearTimeout(this.#patience);
    this.#view?.leave?.();
    this.#view = null;
    this.#display?.stop();
    this.client.close();
  }

  #state() {
    const { snapshot: held } = this.client;
    if (held) {
      if (held.epoch !== this.#epoch || !this.cast) {
        this.#epoch = held.epoch;
        this.cast = new Cast(held.state);
      }
      this.#wasThere = true;
      if (this.#view) {
        this.#display ??= this.#displayOf(held.state);
        this.#view.state(held.state);
      }
    }
    this.#display?.update(held);
    this.#describe();
  }

  /** @param {SessionState} state */
  #displayOf({ participants }) {
    return new DisplayClock({
      clock: this.client.clock,
      show: (face) => this.#face(face),
      ...(participants.length > TENTHS_UP_TO && { tenthsBelowMs: 0 }),
    });
  }

  /** @param {ClockFace} face */
  #face(face) {
    const before = this.faces.get(face.id);
    this.faces.set(face.id, face);
    const ranOut = face.phase === 'expired' || face.phase === 'overtime';
    if (ranOut && before?.isRunning && this.#hasSound) chime();
    this.#view?.face(face);
  }

  /** @param {SessionEvent[]} events */
  #events(events) {
    const last = events.at(-1);
    const { cast } = this;
    if (last && cast) this.say(sentence(last, cast));
    this.#view?.events?.(events);
  }

  #connection() {
    const { connection } = this.client;
    if (connection === 'reconnecting') this.say('Connection lost. Trying again');
    this.#isPatient = true;
    this.#wait(PATIENCE_MS);
    this.#describe();
    this.#view?.connection?.();
  }

  /** @param {number} forMs */
  #wait(forMs) {
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => {
      this.#isPatient = false;
      this.#describe();
      const { connection } = this.client;
      if (connection !== 'live' && connection !== 'closed') void this.#askWhy();
    }, forMs);
  }

  /** A page isn't told why it got no socket; over REST it is. */
  async #askWhy() {
    this.#wait(ASK_AGAIN_MS);
    try {
      await this.api.look(this.place.session);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#refused(error.code);
    }
  }

  /** @param {string} code */
  #refused(code) {
    if (!SHUT_OUT.includes(code)) return;
    this.#isShutOut = true;
    // The same token would be refused again and again.
    this.client.close();
    this.#describe();
  }

  /** What is the matter with the session as a whole. */
  #describe() {
    const view = this.#view;
    if (!view) return;
    const { snapshot: held, connection } = this.client;
    const notice = noticeOf({
      connection,
      isShutOut: this.#isShutOut,
      isThere: held !== null,
      wasThere: this.#wasThere,
      isPatient: this.#isPatient,
    });
    view.element.hidden = notice !== null;
    this.#notice.hidden = notice === null;
    if (notice && this.#notice.dataset['headline'] !== notice.headline) {
      this.#notice.dataset['headline'] = notice.headline;
      this.#notice.replaceChildren(
        el('h2', {}, notice.headline),
        el('p', {}, notice.text),
        el('p', {}, el('a', { className: 'button', href: '#' }, 'New session')),
      );
      if (notice.text) this.say(notice.headline);
    }
    const title = this.cast?.title || 'Session';
    write(this.#title, title);
    document.title = held ? `${title} · Tickless` : 'Tickless';
    const status = held?.state.status ?? '';
    write(this.#status, STATUS[status] ?? '');
    mark(this.#status, 'status', status);
    mark(document.body, 'status', status);
    this.#indicate();
  }

  #indicate() {
    const { connection, clock } = this.client;
    write(this.#link, linkWords(connection, clock.errorBoundMs));
    mark(this.#link, 'connection', connection);
    mark(document.body, 'connection', connection);
    if (!this.#link.title) {
      this.#link.title = 'The connection, and how far off these clocks may be at most';
    }
  }

  #soundSwitch() {
    const button = el('button', {
      type: 'button',
      className: 'quiet',
      onclick: () => {
        this.#hasSound = !this.#hasSound;
        remember('sound', this.#hasSound);
        if (this.#hasSound) {
          unmute();
          chime();
        }
        tell();
      },
    });
    const tell = () => {
      button.textContent = this.#hasSound ? 'Sound on' : 'Sound off';
      mark(button, 'on', String(this.#hasSound));
    };
    tell();
    return button;
  }

  /**
   * @param {string} type
   * @param {(event: any) => void} listener
   */
  #on(type, listener) {
    const { signal } = this.#listening;
    this.client.addEventListener(type, listener, { signal });
  }
}
