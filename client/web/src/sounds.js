/**
 * The sounds of a session, a bell at each warning and a chime at zero, and the button that turns
 * them on and off.
 *
 * They are off until turned on, because browsers refuse sound before a click or a key; the choice
 * is remembered.
 *
 * @module
 */

import { bell, chime, isAudible, unmute } from './device.js';
import { el, setData } from './dom.js';
import { loadPreference, savePreference } from './preferences.js';

/** Clocks that run out, or reach a mark, at one instant sound once. */
const ONCE_MS = 250;

export class Sounds {
  #isOn = loadPreference('sound');
  /** Whether the browser refuses sound: nothing has been clicked or typed since the page loaded. */
  #isBlocked = this.#isOn && !isAudible();
  #flagAt = -Infinity;
  #warningAt = -Infinity;
  button = el('button', {
    type: 'button',
    className: 'header-button',
    onclick: () => this.#onClick(),
  });

  /** @param {AbortSignal} signal ends the use of the sounds */
  constructor(signal) {
    const onGesture = () => this.#isOn && unmute();
    for (const type of ['pointerdown', 'keydown']) {
      document.addEventListener(type, onGesture, { signal });
    }
    // Later than a click of the button itself, which must not turn off what was not heard yet.
    for (const type of ['click', 'keyup']) {
      document.addEventListener(type, () => this.#unblock(), { signal });
    }
    this.#updateButton();
  }

  /** A clock has run out; called more than once for a flag that is noticed more than once. */
  flag() {
    const now = performance.now();
    if (this.#isOn && now - this.#flagAt > ONCE_MS) chime();
    this.#flagAt = now;
  }

  /** A running clock has reached a warning's mark. */
  warning() {
    const now = performance.now();
    if (this.#isOn && now - this.#warningAt > ONCE_MS) bell();
    this.#warningAt = now;
  }

  #onClick() {
    if (!this.#isBlocked) {
      this.#isOn = !this.#isOn;
      savePreference('sound', this.#isOn);
    }
    if (this.#isOn) {
      unmute();
      bell();
    }
    this.#isBlocked = false;
    this.#updateButton();
  }

  #unblock() {
    if (!this.#isBlocked) return;
    this.#isBlocked = false;
    this.#updateButton();
  }

  #updateButton() {
    const on = this.#isBlocked ? 'Tap for sound' : 'Sound on';
    this.button.textContent = this.#isOn ? on : 'Sound off';
    setData(this.button, 'on', String(this.#isOn));
  }
}
