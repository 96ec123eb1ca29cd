/**
 * A clock on the host's screen, with the buttons of its participant.
 *
 * @module
 */

import { onPress } from '../../js/src/index.js';
import { adjustTarget } from './adjustments.js';
import { ClockView } from './clock-view.js';
import { el, setText } from './dom.js';
import { useOf } from './own-clocks.js';
import { cardActions, wordsOf } from './primary-action.js';

/** @import { SessionState } from '../../js/src/types.js' */
/** @import { Action } from './primary-action.js' */

/** @typedef {HTMLButtonElement & {press: (event: UIEvent) => unknown}} Button */

/**
 * @typedef {object} CardHandlers
 * @property {(id: string, sign: 1 | -1) => unknown} adjust
 * @property {(action: Action) => unknown} run
 * @property {(id: string) => unknown} edit
 */

/** The id of the card of the session's own clock. */
export const SESSION = 'session';

export class HostCard {
  #id;
  #less;
  #more;
  #edit;
  #act = this.#actionButton(0);
  #hold = this.#actionButton(1);
  #handlers;
  /** @type {[Action | null, Action | null]} */
  #actions = [null, null];
  clock;
  element;

  /**
   * @param {string} id of a participant, or `SESSION`
   * @param {CardHandlers} handlers
   */
  constructor(id, handlers) {
    this.#id = id;
    this.#handlers = handlers;
    const { adjust, edit } = handlers;
    this.#less = actionButton('−', () => adjust(id, -1), { inSuccession: true });
    this.#more = actionButton('+', () => adjust(id, 1), { inSuccession: true });
    this.#edit = actionButton('More', () => edit(id));
    this.#edit.hidden = id === SESSION;
    const buttons = el('div', { className: 'buttons' });
    buttons.append(this.#less, this.#more, this.#hold, this.#act, this.#edit);
    this.clock = new ClockView(buttons);
    this.element = this.clock.element;
  }

  /**
   * @param {SessionState} state
   * @param {string} name
   */
  update(state, name) {
    const use = useOf(state);
    this.#less.ariaLabel = `Remove time from ${name}`;
    this.#more.ariaLabel = `Add time to ${name}`;
    this.#edit.ariaLabel = `More for ${name}`;
    const canAdjust = adjustTarget(state, this.#id) !== null && use !== 'race';
    this.#less.hidden = this.#more.hidden = !canAdjust;
    this.#actions = cardActions(state, this.#id);
    this.clock.finishedText = `✓ ${wordsOf(use).finished}`;
    for (const [button, action] of /** @type {const} */ ([
      [this.#act, this.#actions[0]],
      [this.#hold, this.#actions[1]],
    ])) {
      button.hidden = action === null;
      if (!action) continue;
      const isTurn = action.command === 'switch' || action.command === 'set_turn';
      setText(button, action.label);
      button.ariaLabel = `${action.label}${isTurn ? ' to' : ''} ${name}`;
      button.className = action.command ?? '';
    }
  }

  /** @param {0 | 1} index */
  #actionButton(index) {
    return actionButton('', () => {
      const action = this.#actions[index];
      return action && this.#handlers.run(action);
    });
  }
}

/**
 * @param {string} label
 * @param {() => unknown} action
 * @param {{className?: string, inSuccession?: boolean}} [options] `inSuccession`: whether several
 *   clicks in a row are meant as such
 * @returns {Button}
 */
export function actionButton(label, action, { className = '', inSuccession = false } = {}) {
  const button = el('button', { type: 'button', className }, label);
  return Object.assign(button, { press: onPress(button, action, { inSuccession }) });
}
