/**
 * The viewer's view, for an audience: clocks as large as possible, or an overlay of digits alone.
 *
 * @module
 */

import { ClockView } from './clock-view.js';
import { hasFullScreen, toggleFullScreen } from './device.js';
import { belongsToFocus, el, setData, setText, shortcutOf } from './dom.js';
import { layoutClocks } from './layout.js';
import { parseOverlay } from './overlay.js';
import { raceResults, useOf } from './own-clocks.js';
import { RaceResults } from './race-results.js';

/** @import { ClockFace } from '../../js/src/index.js' */
/** @import { SessionState } from '../../js/src/types.js' */
/** @import { SessionScreen } from './session-screen.js' */

/** More clocks are unreadable from a distance. */
const MAX_SMALL_CLOCKS = 8;

export class ViewerView {
  #screen;
  #large = el('div', { className: 'large-clocks' });
  #small = el('div', { className: 'small-clocks' });
  #more = el('p', { className: 'more' });
  #results = new RaceResults();
  /** By the id of the clock face. @type {Map<string, ClockView>} */
  #clocks = new Map();
  #drawn = '';
  #overlay = parseOverlay(location.search, (color) => CSS.supports('color', color));

  /** @param {SessionScreen} screen */
  constructor(screen) {
    this.#screen = screen;
    this.element = el(
      'main',
      { className: 'viewer' },
      this.#large,
      this.#small,
      this.#more,
      this.#results.element,
    );
    if (this.#overlay) {
      const { dataset, style } = document.documentElement;
      dataset['overlay'] = this.#overlay.style['--overlay-color'] ? 'plain' : 'outlined';
      for (const [name, value] of Object.entries(this.#overlay.style)) {
        style.setProperty(name, value);
      }
    } else if (hasFullScreen) {
      const properties = { type: 'button', className: 'header-button', onclick: toggleFullScreen };
      screen.addActions(el('button', properties, 'Full screen'));
    }
  }

  /** @param {SessionState} state */
  onState(state) {
    const { names } = this.#screen;
    if (!names) return;
    if (useOf(state) === 'race') this.#results.show(raceResults(state), names);
    const number = this.#overlay?.clock;
    const all = layoutClocks(state, names, this.#screen.client.clock.now());
    const slots = number ? all.slice(number - 1, number) : all;
    const areAllLarge = slots.length <= 2;
    const active = Math.max(
      0,
      slots.findIndex(({ isActive }) => isActive),
    );
    const large = areAllLarge ? slots : slots.slice(active, active + 1);
    // The others in rotation order, beginning with the next.
    const others =
      areAllLarge || this.#overlay ? [] : [...slots.slice(active + 1), ...slots.slice(0, active)];
    const small = others.slice(0, MAX_SMALL_CLOCKS);
    const hiddenCount = others.length - small.length;
    setText(this.#more, hiddenCount ? `and ${hiddenCount} more` : '');
    const drawn = JSON.stringify([large, small]);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    setData(this.element, 'large', String(large.length));
    const previous = this.#clocks;
    this.#clocks = new Map();
    for (const [container, shown] of /** @type {const} */ ([
      [this.#large, large],
      [this.#small, small],
    ])) {
      const elements = shown.map(({ id, name, detail }) => {
        const clock = previous.get(id) ?? new ClockView();
        clock.setName(name, detail);
        this.#clocks.set(id, clock);
        const face = this.#screen.faces.get(id);
        if (face) clock.show(face);
        return clock.element;
      });
      // Inserting an element again would restart its transitions.
      if (
        elements.some((one, index) => container.children[index] !== one) ||
        container.children.length !== elements.length
      ) {
        container.replaceChildren(...elements);
      }
    }
  }

  /** @param {ClockFace} face */
  onFace(face) {
    this.#clocks.get(face.id)?.show(face);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (shortcutOf(event) !== 'f' || belongsToFocus(event) || event.repeat) return;
    void toggleFullScreen();
  }
}
