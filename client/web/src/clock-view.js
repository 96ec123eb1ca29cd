/**
 * One clock on the page: a name, digits, and a note that says in words what the colour says.
 *
 * @module
 */

import { el, setData, setText } from './dom.js';

/** @import { ClockFace } from '../../js/src/index.js' */

/** Keeps the size of the digits when only seconds and tenths are left. */
const MIN_CHARACTERS = 4;

export class ClockView {
  #name = el('span', { className: 'name', dir: 'auto' });
  #team = el('span', { className: 'team', dir: 'auto' });
  #digits = el('p', { className: 'digits', role: 'timer', translate: false });
  #detail = el('p', { className: 'detail', hidden: true });
  #note = el('p', { className: 'note' });
  /** What the note of a finished clock says. */
  finishedText = '✓ Finished';
  #characters = 0;

  /** @param {...(Node | false)} children below the digits */
  constructor(...children) {
    this.element = el(
      'div',
      { className: 'clock' },
      el('h2', {}, this.#name, this.#team),
      this.#digits,
      this.#detail,
      this.#note,
      ...children,
    );
    setText(this.#digits, '–:––');
  }

  /**
   * @param {string} name
   * @param {string} [team]
   */
  setName(name, team = '') {
    setText(this.#name, name);
    this.#name.title = name;
    setText(this.#team, team);
    this.#digits.setAttribute('aria-label', name);
  }

  /** @param {string} text a line below the digits */
  setDetail(text) {
    setText(this.#detail, text);
    this.#detail.hidden = text === '';
  }

  /** @param {ClockFace} face */
  show(face) {
    setText(this.#digits, face.text);
    const characters = Math.max(face.text.length, MIN_CHARACTERS);
    if (characters !== this.#characters) {
      this.#characters = characters;
      this.#digits.style.setProperty('--characters', String(characters));
    }
    setData(this.#digits, 'participant', face.id);
    setData(this.element, 'phase', face.phase);
    if (this.element.ariaCurrent !== String(face.isActive)) {
      this.element.ariaCurrent = String(face.isActive);
    }
    setData(this.element, 'active', String(face.isActive));
    setData(this.element, 'running', String(face.isRunning));
    setData(this.element, 'clock', face.clockState ?? '');
    setText(this.#note, noteFor(face, this.finishedText));
  }
}

/**
 * @param {ClockFace} face
 * @param {string} finishedText
 * @returns {string}
 */
function noteFor({ phase, isRunning, delay, overtime, periods, clockState }, finishedText) {
  const parts = [];
  if (clockState === 'finished') parts.push(finishedText);
  else if (clockState === 'paused') parts.push('Paused');
  if (phase === 'overtime') parts.push(`■ Over by ${overtime}`);
  else if (phase === 'expired') parts.push('■ Out of time');
  else if (phase === 'unconfirmed') parts.push('□ At zero, not confirmed');
  else if (phase === 'warning') parts.push('▲ Low');
  if (delay) parts.push(isRunning ? `Starts in ${delay}` : `Delay ${delay} left`);
  if (periods) parts.push(periods);
  return parts.join(' · ');
}
