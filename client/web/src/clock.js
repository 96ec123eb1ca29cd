/**
 * One clock on the page: a name, digits, and in words whatever colour says.
 *
 * @module
 */

import { counted } from './durations.js';
import { el, mark, write } from './dom.js';

/** @import { ClockFace } from '../../js/src/index.js' */

/** Fewer would have digits change their size within the last minutes. */
const LEAST_CHARACTERS = 4;

export class Clock {
  #name = el('span', { className: 'name', dir: 'auto' });
  #team = el('span', { className: 'team', dir: 'auto' });
  #digits = el('p', { className: 'digits', role: 'timer' });
  #note = el('p', { className: 'note' });
  #characters = 0;

  /** @param {...(Node | false)} more what stands below the digits */
  constructor(...more) {
    this.element = el(
      'div',
      { className: 'clock' },
      el('h2', {}, this.#name, this.#team),
      this.#digits,
      this.#note,
      ...more,
    );
    write(this.#digits, '–:––');
  }

  /**
   * @param {string} name
   * @param {string} [team]
   */
  belongsTo(name, team = '') {
    write(this.#name, name);
    this.#name.title = name;
    write(this.#team, team);
    this.#digits.setAttribute('aria-label', name);
  }

  /** @param {ClockFace} face */
  show(face) {
    write(this.#digits, face.text);
    const characters = Math.max(face.text.length, LEAST_CHARACTERS);
    if (characters !== this.#characters) {
      this.#characters = characters;
      this.#digits.style.setProperty('--characters', String(characters));
    }
    mark(this.#digits, 'participant', face.id);
    mark(this.element, 'phase', face.phase);
    if (this.element.ariaCurrent !== String(face.isActive)) {
      this.element.ariaCurrent = String(face.isActive);
    }
    mark(this.element, 'active', String(face.isActive));
    mark(this.element, 'running', String(face.isRunning));
    write(this.#note, noteOf(face));
  }
}

/**
 * @param {ClockFace} face
 * @returns {string}
 */
export function noteOf({ phase, delay, overtime, periodsLeft, cyclesLeft }) {
  const said = [];
  if (phase === 'overtime') said.push(`■ Over by ${overtime}`);
  else if (phase === 'expired') said.push('■ Out of time');
  else if (phase === 'warning') said.push('▲ Low');
  if (delay) said.push(`Runs in ${delay}`);
  if (periodsLeft !== undefined) said.push(`${counted(periodsLeft, 'period')}`);
  if (cyclesLeft !== undefined) said.push(`${counted(cyclesLeft, 'turn')} to go`);
  return said.join(' · ');
}
