/**
 * A participant's view: the own clock, and one large button.
 *
 * @module
 */

import { onPress } from '../../js/src/index.js';
import { ClockView } from './clock-view.js';
import { confirm } from './confirm.js';
import { vibrate } from './device.js';
import { belongsToFocus, el, setData, setText } from './dom.js';
import { errorText } from './event-text.js';
import { UNKNOWN } from './names.js';
import { ordinal, raceResults, timeOfDay, useOf } from './own-clocks.js';
import { participantAction, wordsOf } from './primary-action.js';

/** @import { ClockFace } from '../../js/src/index.js' */
/** @import { SessionState } from '../../js/src/types.js' */
/** @import { Action } from './primary-action.js' */
/** @import { SessionScreen } from './session-screen.js' */

export class ParticipantView {
  #screen;
  #id;
  #ownClock = new ClockView();
  #activeClock = el('p', { className: 'active-clock' });
  #activeName = el('span', { dir: 'auto' });
  #activeTime = el('span', { className: 'time' });
  #error = el('p', { className: 'error', role: 'alert' });
  #label = el('span', { className: 'label' });
  #hint = el('span', { className: 'hint' });
  #button = el('button', { type: 'button', className: 'action-button' });
  #press = onPress(this.#button, () => this.#runAction());
  /** @type {Action} */
  #action = { label: '', command: null };
  #isSending = false;
  #isUnknown = false;

  /** @param {SessionScreen} screen */
  constructor(screen) {
    this.#screen = screen;
    this.#id = screen.route.participant ?? '';
    this.#activeClock.append(this.#activeName, ' ', this.#activeTime);
    this.#button.append(this.#label, this.#hint);
    this.element = el(
      'main',
      { className: 'participant' },
      el('div', { className: 'own-clock' }, this.#ownClock.element, this.#activeClock, this.#error),
      this.#button,
    );
  }

  /** @param {SessionState} state */
  onState(state) {
    const { names } = this.#screen;
    const participant = names?.participants.get(this.#id);
    this.#isUnknown = !participant;
    this.#ownClock.setName(participant?.name ?? UNKNOWN, participant?.team);
    this.#ownClock.finishedText = `✓ ${wordsOf(useOf(state)).finished}`;
    this.#ownClock.setDetail(this.#detail(state));
    const active = state.active_participant_id;
    const isOther = active !== null && active !== this.#id;
    this.#activeClock.hidden = !isOther;
    if (isOther) {
      setText(this.#activeName, names?.nameOf(active) ?? '');
      setText(this.#activeTime, this.#screen.faces.get(active)?.text ?? '');
    }
    this.#updateButton(state);
  }

  /** @param {ClockFace} face */
  onFace(face) {
    if (face.id === this.#id) this.#ownClock.show(face);
    else if (face.isActive && face.id !== 'session') setText(this.#activeTime, face.text);
  }

  onConnection() {
    const { snapshot } = this.#screen.client;
    if (snapshot) this.#updateButton(snapshot.state);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.key !== ' ' || belongsToFocus(event)) return;
    event.preventDefault();
    void this.#press(event);
  }

  /**
   * When the own clock ends, or what place it took.
   *
   * @param {SessionState} state
   */
  #detail(state) {
    if (useOf(state) === 'race') {
      const result = raceResults(state).find(({ id }) => id === this.#id);
      return result ? `${ordinal(result.place)} · ${result.time}` : '';
    }
    const one = state.participants.find(({ participant_id }) => participant_id === this.#id);
    const nowMs = this.#screen.client.clock.now();
    return one?.deadline_at ? `until ${timeOfDay(one.deadline_at, nowMs)}` : '';
  }

  /** @param {SessionState} state */
  #updateButton(state) {
    const { connection } = this.#screen.client;
    const isLive = connection === 'live';
    this.#action = participantAction(state, this.#id, {
      hasToken: this.#screen.route.token !== undefined,
    });
    const { starts_at } = state;
    if (state.status === 'pending' && starts_at && this.#action.command === null) {
      const label = `Starts at ${timeOfDay(starts_at, this.#screen.client.clock.now())}`;
      this.#action = { label, command: null };
    }
    if (this.#isUnknown) this.#action = { label: UNKNOWN, command: null };
    const isEnabled = isLive && this.#action.command !== null && !this.#isSending;
    const notLive = connection === 'unconfirmed' ? 'Connection not confirmed' : 'Not connected';
    setText(this.#label, isLive ? this.#action.label : notLive);
    setText(this.#hint, isEnabled ? 'Tap or press Space' : '');
    // A button with `disabled` would lose the focus.
    this.#button.setAttribute('aria-disabled', String(!isEnabled));
    const buttonState = isEnabled ? 'enabled' : this.#isSending ? 'sending' : 'disabled';
    setData(this.#button, 'state', buttonState);
  }

  async #runAction() {
    const { client } = this.#screen;
    const { command, args } = this.#action;
    if (command === null || this.#isSending || client.connection !== 'live') return;
    if (command === 'finish' && !(await this.#isConfirmed())) return;
    vibrate();
    setText(this.#error, '');
    this.#isSending = true;
    this.onConnection();
    try {
      await client.command(command, args);
    } catch (error) {
      setText(this.#error, errorText(error));
    } finally {
      this.#isSending = false;
      this.onConnection();
    }
  }

  /** Only an invigilator can take back what is handed in. */
  async #isConfirmed() {
    const { snapshot } = this.#screen.client;
    if (!snapshot || useOf(snapshot.state) !== 'exam') return true;
    return confirm({
      title: 'Hand in?',
      text: 'Your clock stops, and you can’t go on.',
      action: 'Hand in',
    });
  }
}
