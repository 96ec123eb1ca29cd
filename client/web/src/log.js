/**
 * What has happened in a session, newest first.
 *
 * @module
 */

import { el, write } from './dom.js';
import { sentence } from './telling.js';

/** @import { Api, LoggedEvent } from './api.js' */
/** @import { Cast } from './cast.js' */

const MOST_LINES = 200;
/** However fast things happen, the log is asked for no more often than this. */
const EVERY_MS = 1_000;

export class Log {
  #api;
  #session;
  #cast;
  #list = el('ol', { reversed: true });
  #trouble = el('p', { className: 'hint' });
  /** @type {string | undefined} */
  #last;
  #isWaiting = false;
  #isWanted = false;

  /**
   * @param {Api} api
   * @param {string} session
   * @param {() => Cast | null} cast
   */
  constructor(api, session, cast) {
    this.#api = api;
    this.#session = session;
    this.#cast = cast;
    this.element = el(
      'section',
      { className: 'panel log', 'aria-labelledby': 'log' },
      el('h2', { id: 'log' }, 'What happened'),
      this.#trouble,
      // It scrolls, so the keyboard has to get there.
      el(
        'div',
        { className: 'lines', tabIndex: 0, role: 'group', 'aria-label': 'Event log' },
        this.#list,
      ),
    );
  }

  /** Something has happened, or may have while nobody listened. */
  refresh() {
    if (this.#isWaiting) {
      this.#isWanted = true;
      return;
    }
    this.#isWaiting = true;
    this.#isWanted = false;
    void this.#read();
    setTimeout(() => {
      this.#isWaiting = false;
      if (this.#isWanted) this.refresh();
    }, EVERY_MS);
  }

  async #read() {
    try {
      const events = await this.#api.events(this.#session, this.#last);
      this.#last = events.at(-1)?.id ?? this.#last;
      for (const event of events) this.#list.prepend(this.#line(event));
      while (this.#list.childElementCount > MOST_LINES) this.#list.lastElementChild?.remove();
      write(this.#trouble, '');
    } catch {
      write(this.#trouble, 'The log can’t be read just now.');
    }
  }

  /** @param {LoggedEvent} event */
  #line(event) {
    const at = new Date(event.at);
    const time = at.toLocaleTimeString([], {
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    });
    const names = this.#cast() ?? { nameOf: () => 'Somebody' };
    return el(
      'li',
      {},
      el('time', { dateTime: event.at }, time),
      el('span', { dir: 'auto' }, sentence(event, names)),
    );
  }
}
