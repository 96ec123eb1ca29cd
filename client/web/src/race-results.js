/**
 * The places of a race, with the finishers' times.
 *
 * @module
 */

import { el } from './dom.js';
import { ordinal } from './own-clocks.js';

/** @import { SessionNames } from './names.js' */
/** @import { Result } from './own-clocks.js' */

export class RaceResults {
  #list = el('ol');
  #drawn = '';
  element = el(
    'section',
    { className: 'panel race-results', 'aria-labelledby': 'race-results', hidden: true },
    el('h2', { id: 'race-results' }, 'Places'),
    // Focusable, so that the keyboard can scroll it.
    el(
      'div',
      { className: 'entries', tabIndex: 0, role: 'group', 'aria-label': 'Places' },
      this.#list,
    ),
  );

  /**
   * @param {Result[]} results
   * @param {SessionNames} names
   */
  show(results, names) {
    this.element.hidden = results.length === 0;
    const drawn = JSON.stringify(results.map(({ id, ...rest }) => [names.nameOf(id), rest]));
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    this.#list.replaceChildren(
      ...results.map(({ id, place, time }) =>
        el(
          'li',
          {},
          el('span', { className: 'place' }, ordinal(place)),
          el('span', { className: 'name', dir: 'auto' }, names.nameOf(id)),
          el('span', { className: 'time' }, time),
        ),
      ),
    );
  }
}
