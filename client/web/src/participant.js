/**
 * A participant's screen: the own clock, and one button as large as a hand.
 *
 * @module
 */

import { Clock } from './clock.js';
import { buzz, wakefulness } from './device.js';
import { el, isTaken, mark, write } from './dom.js';
import { refusal } from './telling.js';
import { participantPress } from './turn.js';

/** @import { ClockFace } from '../../js/src/index.js' */
/** @import { SessionState } from '../../js/src/types.js' */
/** @import { Room } from './room.js' */

export class Participant {
  #room;
  #id;
  #mine = new Clock();
  #other = el('p', { className: 'other' });
  #otherName = el('span', { dir: 'auto' });
  #otherDigits = el('span', { className: 'figure' });
  #error = el('p', { className: 'error', role: 'alert' });
  #label = el('span', { className: 'label' });
  #hint = el('span', { className: 'hint' });
  #button = el('button', { type: 'button', className: 'press', onclick: () => this.#press() });
  #awake;
  /** @type {import('./turn.js').Press} */
  #does = { label: '', command: null };
  #isSending = false;
  #isOthers = false;

  /** @param {Room} room */
  constructor(room) {
    this.#room = room;
    this.#id = room.place.participant ?? '';
    this.#other.append(this.#otherName, ' ', this.#otherDigits);
    this.#button.append(this.#label, this.#hint);
    this.element = el(
      'main',
      { className: 'participant' },
      el('div', { className: 'mine' }, this.#mine.element, this.#other, this.#error),
      this.#button,
    );
    this.#awake = wakefulness(() => room.client.snapshot?.state.status === 'running');
  }

  /** @param {SessionState} state */
  state(state) {
    const { cast } = this.#room;
    const person = cast?.people.get(this.#id);
    this.#isOthers = !person;
    this.#mine.belongsTo(person?.name ?? 'Nobody', person?.team);
    const active = state.active_participant_id;
    const isOther = active !== null && active !== this.#id;
    this.#other.hidden = !isOther;
    if (isOther) {
      write(this.#otherName, cast?.nameOf(active) ?? '');
      write(this.#otherDigits, this.#room.faces.get(active)?.text ?? '');
    }
    this.#awake.check();
    this.#offer(state);
  }

  /** @param {ClockFace} face */
  face(face) {
    if (face.id === this.#id) this.#mine.show(face);
    else if (face.isActive && face.id !== 'session') write(this.#otherDigits, face.text);
  }

  connection() {
    const { snapshot: held } = this.#room.client;
    if (held) this.#offer(held.state);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key !== ' ' || isTaken(event)) return;
    event.preventDefault();
    if (!event.repeat) void this.#press();
  }

  leave() {
    this.#awake.stop();
  }

  /** @param {SessionState} state */
  #offer(state) {
    const isLive = this.#room.client.connection === 'live';
    this.#does = participantPress(state, this.#id, {
      takesTurns: this.#room.cast?.takesTurns ?? false,
      isGuest: this.#room.place.token !== undefined,
    });
    if (this.#isOthers) this.#does = { label: 'This link is nobody’s', command: null };
    const canPress = isLive && this.#does.command !== null && !this.#isSending;
    write(this.#label, isLive ? this.#does.label : 'Not connected');
    write(this.#hint, canPress ? 'Tap, or press space' : '');
    // A button that is disabled loses the focus.
    this.#button.setAttribute('aria-disabled', String(!canPress));
    mark(this.#button, 'can', canPress ? 'press' : this.#isSending ? 'wait' : 'not');
  }

  async #press() {
    const { client } = this.#room;
    const { command, args } = this.#does;
    if (command === null || this.#isSending || client.connection !== 'live') return;
    buzz();
    write(this.#error, '');
    this.#isSending = true;
    this.connection();
    try {
      await client.command(command, args);
    } catch (error) {
      write(this.#error, refusal(error));
    } finally {
      this.#isSending = false;
      this.connection();
    }
  }
}
