/**
 * A screen for everybody to look at: digits as large as they will go.
 *
 * @module
 */

import { Clock } from './clock.js';
import { canFillScreen, toggleFullScreen, wakefulness } from './device.js';
import { el, isTaken, mark, write } from './dom.js';
import { slotsOf } from './slots.js';

/** @import { ClockFace } from '../../js/src/index.js' */
/** @import { SessionState } from '../../js/src/types.js' */
/** @import { Room } from './room.js' */

/** More clocks than this can't be read from afar. */
const MOST_SMALL = 8;

export class Viewer {
  #room;
  #large = el('div', { className: 'large' });
  #small = el('div', { className: 'small' });
  #rest = el('p', { className: 'rest' });
  #awake;
  /** By whose face it shows. @type {Map<string, Clock>} */
  #clocks = new Map();
  #drawn = '';

  /** @param {Room} room */
  constructor(room) {
    this.#room = room;
    this.element = el('main', { className: 'viewer' }, this.#large, this.#small, this.#rest);
    this.#awake = wakefulness(() => room.client.snapshot?.state.status === 'running');
    if (canFillScreen) {
      const label = 'Full screen';
      room.offer(
        el('button', { type: 'button', className: 'quiet', onclick: toggleFullScreen }, label),
      );
    }
  }

  /** @param {SessionState} state */
  state(state) {
    this.#awake.check();
    const { cast } = this.#room;
    if (!cast) return;
    const slots = slotsOf(state, cast);
    const areAllLarge = slots.length <= 2;
    const current = Math.max(
      0,
      slots.findIndex(({ isActive }) => isActive),
    );
    const large = areAllLarge ? slots : slots.slice(current, current + 1);
    // Those who come next, in turn.
    const others = areAllLarge ? [] : [...slots.slice(current + 1), ...slots.slice(0, current)];
    const small = others.slice(0, MOST_SMALL);
    const hidden = others.length - small.length;
    write(this.#rest, hidden ? `and ${hidden} more` : '');
    const drawn = JSON.stringify([large, small]);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    mark(this.element, 'large', String(large.length));
    const kept = this.#clocks;
    this.#clocks = new Map();
    for (const [place, chosen] of /** @type {const} */ ([
      [this.#large, large],
      [this.#small, small],
    ])) {
      const clocks = chosen.map(({ face, name, more }) => {
        const clock = kept.get(face) ?? new Clock();
        clock.belongsTo(name, more);
        this.#clocks.set(face, clock);
        const shown = this.#room.faces.get(face);
        if (shown) clock.show(shown);
        return clock.element;
      });
      // Only what has moved: an element that is put in anew loses its transitions.
      if (
        clocks.some((one, at) => place.children[at] !== one) ||
        place.children.length !== clocks.length
      ) {
        place.replaceChildren(...clocks);
      }
    }
  }

  /** @param {ClockFace} face */
  face(face) {
    this.#clocks.get(face.id)?.show(face);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key === 'f' && !isTaken(event)) void toggleFullScreen();
  }

  leave() {
    this.#awake.stop();
  }
}
