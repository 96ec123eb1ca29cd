/**
 * The event log of a session, newest first.
 *
 * @module
 */

import { el, setText } from './dom.js';
import { eventText } from './event-text.js';
import { UNKNOWN } from './names.js';

/** @import { Api, LoggedEvent } from './api.js' */
/** @import { SessionNames } from './names.js' */

const MAX_ENTRIES = 200;
const MIN_INTERVAL_MS = 1_000;

export class ActivityLog {
  #api;
  #session;
  #names;
  #list = el('ol', { reversed: true });
  #error = el('p', { className: 'hint' });
  /** @type {string | undefined} */
  #lastId;
  /** By the id of their event, oldest first. @type {Map<string, HTMLElement>} */
  #entries = new Map();
  #isReading = false;
  #isStale = false;

  /**
   * @param {Api} api
   * @param {string} session
   * @param {() => SessionNames | null} names
   */
  constructor(api, session, names) {
    this.#api = api;
    this.#session = session;
    this.#names = names;
    this.element = el(
      'section',
      { className: 'panel activity', 'aria-labelledby': 'activity' },
      el('h2', { id: 'activity' }, 'Activity'),
      this.#error,
      // Focusable, so that the keyboard can scroll it.
      el(
        'div',
        { className: 'entries', tabIndex: 0, role: 'group', 'aria-label': 'Activity log' },
        this.#list,
      ),
    );
  }

  /** Load new events: one read at a time, and at most one a second. */
  async refresh() {
    this.#isStale = true;
    if (this.#isReading) return;
    this.#isReading = true;
    while (this.#isStale) {
      this.#isStale = false;
      await this.#load();
      await new Promise((resolve) => setTimeout(resolve, MIN_INTERVAL_MS));
    }
    this.#isReading = false;
  }

  async #load() {
    try {
      for await (const events of this.#api.getEvents(this.#session, this.#lastId)) {
        this.#lastId = events.at(-1)?.id ?? this.#lastId;
        for (const event of events.slice(-MAX_ENTRIES)) this.#add(event);
      }
      setText(this.#error, '');
    } catch {
      setText(this.#error, 'The activity can’t be loaded right now.');
    }
  }

  /** @param {LoggedEvent} event */
  #add(event) {
    if (this.#entries.has(event.id)) return;
    const entry = this.#entry(event);
    this.#entries.set(event.id, entry);
    this.#list.prepend(entry);
    for (const [id, oldest] of this.#entries) {
      if (this.#entries.size <= MAX_ENTRIES) break;
      this.#entries.delete(id);
      oldest.remove();
    }
  }

  /** @param {LoggedEvent} event */
  #entry(event) {
    const at = new Date(event.at);
    const time = at.toLocaleTimeString([], {
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    });
    const names = this.#names() ?? { nameOf: () => UNKNOWN, ownerOf: () => UNKNOWN };
    return el(
      'li',
      {},
      el('time', { dateTime: event.at }, time),
      el('span', { dir: 'auto' }, eventText(event, names)),
    );
  }
}
